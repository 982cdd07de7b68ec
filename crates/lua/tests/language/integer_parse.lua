-- Numerals in source text: integers, floats, hexadecimals and their limits.

local function kind(v) return tostring(v) .. ":" .. math.type(v) end
print(kind(0), kind(00), kind(007), kind(1), kind(123456789), kind(9007199254740993))
print(kind(9223372036854775807), kind(9223372036854775808), kind(-9223372036854775807), kind(-9223372036854775808))
print(kind(18446744073709551615), kind(18446744073709551616), kind(99999999999999999999))
print(kind(0x0), kind(0x10), kind(0XfF), kind(0x7fffffffffffffff), kind(0x8000000000000000), kind(0xffffffffffffffff))
print(kind(0x10000000000000000), kind(0x1ffffffffffffffff), kind(0xabcdef0123456789))
print(kind(1.0), kind(1.), kind(.5), kind(0.), kind(3.14), kind(00.5), kind(1e1), kind(1E1), kind(1e+1), kind(1e-1), kind(1.5e3), kind(.5e1), kind(5.e1))
print(kind(0x.8), kind(0x8.), kind(0x1p4), kind(0x1P+4), kind(0x1p-4), kind(0xA.8p0), kind(0x.1p4), kind(0x1.8), kind(0xffp1), kind(0x1e1))
print(kind(1e308), kind(1e309), kind(1e-308), kind(5e-324), kind(1e-400), kind(0x1p1023), kind(0x1p1024), kind(0x1p-1074))
print(kind(3e0), kind(0e12), kind(1e00001), kind(123e-2))
print(-2 ^ 63 == math.mininteger, math.mininteger == -9223372036854775807 - 1, 0x8000000000000000 == math.mininteger)
print(1//1, 1 ..2, 1 .. 2, 0xA, 0Xa, 0xep1, 0xe+1, 3 -1, 3-1, 3- -1)

local function try(text)
  local chunk, message = load("return " .. text, "=src")
  if not chunk then return print(text, message) end
  local v = chunk()
  print(text, type(v) == "number" and kind(v) or tostring(v))
end
for _, text in ipairs({
  "1", "-1", "- 1", "--1\n2", "1e", "1e+", "1e-", "1ee1", "1e1e1", "0x", "0xg", "0x.", "0x.p1", "0xp1", "0x1p", "0x1p+", "1..2", "1. .2", "1.2.3", "1...2",
  "12abc", "1_000", "0b11", "0o7", "1f", "10L", "0x1G", "1a", ".e1", ".", "..", "5 .. 6", "0x1.8p1", "1e5x", "08", "0x_1", "3=4", "1.5e", "0xffp", "1e1.5",
  "9223372036854775807", "9223372036854775808", "0xfffffffffffffffff", "1e999", "-1e999", "0x1p99999", "1e-999", "000000000000000000000000001", "1.0e+0000000000000005",
}) do
  try(text)
end

-- Arithmetic on limits is folded as it would be at run time.
print(9223372036854775807 + 1, -9223372036854775808 - 1, 9223372036854775807 * 2, 1 << 63, (1 << 63) - 1)
print(math.maxinteger // 1 | 0, math.maxinteger + 1.0 == 2 ^ 63, math.mininteger + 0.0 == -2 ^ 63)
print(math.tointeger(3.0), math.tointeger(3.5), math.tointeger("8"), math.tointeger(2 ^ 53), math.tointeger(2 ^ 63), math.tointeger(-2 ^ 63), math.tointeger({}))
print(3 | 0, 3.0 | 0, 2 ^ 31 | 0, "10" + 0, "10" * 1.0, 10 // 1, 10 // 1.0)
