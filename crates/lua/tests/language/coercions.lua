-- Strings as numbers and numbers as strings.

print("10" + 1, 1 + "10", "10" + "1", "10" - 1, "3" * "4", "10" / 2, "7" % 4, "2" ^ 3, "7" // 2, -"5", - -"5")
print("1.5" + 1, "1e2" + 0, "0x10" + 0, " 10 " + 0, "\t5\n" * 2, "0x1p4" + 0, "-3" + 0, "+3" + 0, "- 3" == -3)
print(math.type("10" + 0), math.type("10" + 0.0), math.type("10.0" + 0), math.type("1e1" + 0), math.type(-"2"), math.type(-"2.0"), math.type("10" // "3"))
print("9223372036854775807" + 1, "9223372036854775808" + 0, "9223372036854775807" + 1.0, "0xffffffffffffffff" + 0)
print(10 .. "", 1.5 .. "", -1 .. "", 1e15 .. "", 2 ^ 53 .. "", 10 .. 20, 1 .. "a" .. 2.0)
print("10" == 10, 10 == "10", "a" .. 1 == "a1", 0 == -0, "0" == 0, ({ ["1"] = "s", [1] = "n" })["1"], ({ ["1"] = "s", [1] = "n" })[1])
print(("5"):rep("2"), ("abc"):sub("2", "3"), ("x"):rep(2.0), math.floor("2.7"), math.sqrt("16"), math.abs("-3"), string.char("65", 66.0))
print(#tostring(12), #(12 .. ""), ("12"):len())

local function try(f)
  local ok, message = pcall(f)
  print(ok, message)
end
try(function() return "abc" + 1 end)
try(function() return 1 + "" end)
try(function() return " " * 2 end)
try(function() return "1 2" + 1 end)
try(function() return "0x" + 1 end)
try(function() return "1e" + 1 end)
try(function() return -"abc" end)
try(function() return "10" + {} end)
try(function() return {} + "10" end)
try(function() return "10" < 5 end)
try(function() return "10" | 1 end)
try(function() return ("x"):rep("y") end)
try(function() return ("x"):rep("2.5") end)
try(function() return math.floor("x") end)
try(function() return "inf" + 1 end)
try(function() return "nan" + 1 end)

-- Keys are not converted between strings and numbers.
local t = {}
t["1"], t[1], t[1.0], t["1.0"] = "a", "b", "c", "d"
print(t["1"], t[1], t["1.0"], #t)

-- Truth: only nil and false are false.
for _, v in ipairs({ 0, "", "0", {}, 0.0, "false" }) do io.write(v and "true " or "false ") end
print(not nil, not false, not 0, not "", not not nil, not not 1)
print(nil and 1, false and 1, 1 and 2, nil or 1, false or nil, 1 or 2, nil and nil or 3, false == nil)
print(1 and nil, 1 and false, nil or false, false or nil, 1 and 2 or 3, nil and 2 or 3, 1 and nil or 3)
local calls = 0
local function f(v) calls = calls + 1; return v end
local r = f(false) and f(1) or f(2)
print(r, calls)
r = f(1) or f(2)
print(r, calls)
local function multi() return nil, 2 end
print((multi()) or "default", multi() or "default", (multi()) and 1)
print(1 == 1 and "yes" or "no", 1 == 2 and "yes" or "no", not (1 == 1) or 5, 1 < 2 == true, "a" < "b" and "b" < "c")

-- Integer and float results of the library
print(math.floor(3.7), math.ceil(3.2), math.floor(-3.7), math.max(1, 2.0), math.abs(-5), math.abs(-5.0), 7 // 2.0, 2 ^ 2, 4 / 2, 10 % 3.0)
print(string.format("%d", "10"), string.format("%d", 10.0), string.format("%s", 10), string.format("%.1f", "10"), string.format("%x", "255"))
for i = 1.0, 3 do io.write(i, " ") end
for i = 1, 3.5 do io.write(i, " ") end
print()
print(table.concat({ 1, "2", 3.0 }, "+"), select("2", "a", "b"), ("x"):byte("1"), tostring(10) == "10", tonumber("10") == 10)
