-- tonumber and tostring over many texts and bases.

local function kind(v)
  if v ~= v then return "not a number" end
  return v == nil and "nil" or tostring(v) .. ":" .. (math.type(v) or type(v))
end

print("texts")
local texts = {
  "0", "1", "-1", "+1", "007", "  12  ", "\t\n12\r\v\f", "12 3", "", " ", "-", "+", "--1", "- 1", "+-1",
  "1.", ".5", ".", "1.5", "-1.5", "1..5", "1.5.2", "1e5", "1E5", "1e+5", "1e-5", "1e", "1e+", "e5", ".e5", "1e5.5", "1e400", "-1e400", "1e-400",
  "0x", "0x0", "0xff", "0XFF", "0xFg", "-0x10", "+0x10", "0x.8", "0x8.", "0x.", "0xA.8p1", "0x1p4", "0x1P-4", "0x1p", "0xp1", "0x1e2", "0x1p1.5", "x10", "0 x10",
  "0xffffffffffffffff", "0x1ffffffffffffffff", "0x7fffffffffffffff", "0x8000000000000000", "0xfffffffffffffffff.0",
  "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "99999999999999999999",
  "1_000", "1,000", "1f", "10L", "0b101", "0o17", "inf", "nan", "Infinity", "-inf", "NaN", "true", "nil", "abc", "1a", "a1", "1 a", "１",
  "1\0", "\0001", "1e1e1", "5e0", "00.5", "-0", "-0.0", "1e0001", "123456789012345678", "0.1e1", "100e-2", "  0x1F  ", "4.9e-324", "2e-324", "1.7976931348623157e308", "1.8e308",
}
for i, text in ipairs(texts) do
  print(i, (text:gsub("[%c]", function(c) return ("\\%d"):format(c:byte()) end)), kind(tonumber(text)))
end

print("bases")
for _, case in ipairs({
  { "0", 2 }, { "1", 2 }, { "2", 2 }, { "101", 2 }, { "-101", 2 }, { "+1", 2 }, { "11111111", 2 }, { "77", 8 }, { "8", 8 }, { "ff", 16 }, { "FF", 16 }, { "0xff", 16 }, { "fg", 16 },
  { "zz", 36 }, { "ZZ", 36 }, { "hello", 36 }, { "-zz", 36 }, { " 11 ", 2 }, { "1 1", 2 }, { "", 10 }, { " ", 10 }, { "-", 10 }, { "12", 10 }, { "1.5", 10 }, { "1e5", 10 }, { "1e5", 16 },
  { "9", 9 }, { "8", 9 }, { "a", 11 }, { "a", 10 }, { "7fffffffffffffff", 16 }, { "8000000000000000", 16 }, { "ffffffffffffffff", 16 }, { "1ffffffffffffffff", 16 }, { "10", 3 }, { "10", 36 },
  { ("1"):rep(64), 2 }, { ("1"):rep(65), 2 }, { "1\0", 10 }, { "- 1", 10 }, { "\t7\n", 8 },
}) do
  print((case[1]:gsub("%c", ".")), case[2], kind(tonumber(case[1], case[2])))
end

print("other values")
print(tonumber(5), tonumber(5.5), tonumber(nil), tonumber(true), tonumber({}), tonumber(print), tonumber(-0.0))
print(math.type(tonumber("10")), math.type(tonumber("10.0")), math.type(tonumber("1e1")), math.type(tonumber("0x10")), math.type(tonumber("0x1p4")))
print(tonumber(setmetatable({}, { __tostring = function() return "5" end })))

print("tostring")
print(tostring(nil), tostring(true), tostring(false), tostring(0), tostring(-1), tostring(1.0), tostring("text"), tostring(""))
print(tostring(1e15), tostring(1e100), tostring(2 ^ 63), tostring(-2 ^ 63), tostring(1 / 0), tostring(-1 / 0), tostring(1e-7))
print((tostring({}):gsub("0x%x+", "PTR")), (tostring(print):gsub("0x%x+", "PTR"):gsub("builtin: ", "")), (tostring(function() end):gsub("0x%x+", "PTR")))
print((tostring(coroutine.create(print)):gsub("0x%x+", "PTR")), (tostring(io.stdout):gsub("0x%x+", "PTR")))
local t = {}
print(tostring(t) == tostring(t), tostring({}) ~= tostring(t), type(tostring(t)), tostring(t):match("^table: ") )
print(select("#", tostring(nil)), type(tostring) == "function")

print("round trips")
for _, v in ipairs({ 0.1, 1 / 3, 1e100, 123456.789, 2 ^ 53 + 1.0, -1e-10 }) do
  print(tonumber(string.format("%.17g", v)) == v, tonumber(tostring(v)) == v, tonumber(string.format("%a", v)) == v)
end
for _, v in ipairs({ 0, -1, math.maxinteger, math.mininteger }) do
  print(tonumber(tostring(v)) == v, math.type(tonumber(tostring(v))), tonumber(string.format("0x%x", v)) == v)
end
