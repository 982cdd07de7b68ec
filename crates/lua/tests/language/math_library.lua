-- The math library.

local function kind(...)
  local out = {}
  for i = 1, select("#", ...) do
    local v = select(i, ...)
    out[i] = v ~= v and "not a number" or tostring(v) .. ":" .. tostring(math.type(v))
  end
  print(table.concat(out, " "))
end
local inf = math.huge

print(math.pi, math.huge, -math.huge, math.maxinteger, math.mininteger)
print("floor, ceil")
kind(math.floor(3.7), math.floor(-3.7), math.floor(3), math.floor(-0.5), math.floor(1e300), math.floor(2 ^ 62), math.floor(inf), math.floor(-0.0))
kind(math.ceil(3.2), math.ceil(-3.2), math.ceil(3), math.ceil(-0.5), math.ceil(1e300), math.ceil(2 ^ 62), math.ceil(-inf))
print("abs")
kind(math.abs(5), math.abs(-5), math.abs(-5.5), math.abs(0), math.abs(-0.0), math.abs(math.mininteger), math.abs(math.maxinteger), math.abs(-inf))
print("max, min")
kind(math.max(1), math.max(1, 2, 3), math.max(3, 2.5), math.max(2, 2.0), math.max(-1, -1.5), math.max(1, inf), math.max(math.maxinteger, 2 ^ 63))
kind(math.min(1), math.min(1, 2, 3), math.min(3, 2.5), math.min(2, 2.0), math.min(-1, -1.5), math.min(1, -inf), math.min(math.mininteger, -2 ^ 63))
print("fmod, modf")
kind(math.fmod(7, 3), math.fmod(-7, 3), math.fmod(7, -3), math.fmod(-7, -3), math.fmod(7.5, 2), math.fmod(-7.5, 2), math.fmod(7, 2.5), math.fmod(5, inf), math.fmod(math.mininteger, -1))
kind(math.fmod(5.0, 0), math.fmod(inf, 2))
kind(math.modf(3.7))
kind(math.modf(-3.7))
kind(math.modf(5))
kind(math.modf(inf))
kind(math.modf(-inf))
kind(math.modf(-0.5))
kind(math.modf(1e300))
print("sqrt, exp, log")
kind(math.sqrt(16), math.sqrt(2), math.sqrt(0), math.sqrt(inf))
kind(math.exp(0), math.exp(-inf), math.exp(inf))
print(string.format("%.10f %.10f", math.exp(1), math.exp(-1)))
kind(math.log(1), math.log(8, 2), math.log(1024, 2), math.log(1000, 10), math.log(100, 10), math.log(0), math.log(inf))
print(string.format("%.10f %.10f %.10f %.10f", math.log(2), math.log(10), math.log(3, 2), math.log(27, 3)))
print("trigonometry")
print(string.format("%.10f %.10f %.10f", math.sin(1), math.cos(1), math.tan(1)))
print(string.format("%.10f %.10f %.10f", math.asin(0.5), math.acos(0.5), math.atan(0.5)))
print(string.format("%.10f %.10f %.10f %.10f", math.atan(1, 1), math.atan(1, -1), math.atan(-1, -1), math.atan(-1, 1)))
kind(math.sin(0), math.cos(0), math.tan(0), math.atan(0, 1), math.atan(0, -1), math.atan(inf))
print(string.format("%.10f %.10f", math.deg(math.pi), math.rad(180)), math.deg(0), math.rad(0))
print("tointeger, type, ult")
kind(math.tointeger(3), math.tointeger(3.0), math.tointeger(-0.0), math.tointeger(2 ^ 53))
print(math.tointeger(3.5), math.tointeger(inf), math.tointeger(2 ^ 63), math.tointeger("3"), math.tointeger("x"), math.tointeger({}), math.tointeger(0 / 0))
print(math.type(1), math.type(1.0), math.type("1"), math.type(nil), math.type({}), pcall(math.type))
print(math.ult(1, 2), math.ult(2, 1), math.ult(-1, 1), math.ult(1, -1), math.ult(0, 0), math.ult(math.maxinteger, math.mininteger))

print("random")
math.randomseed(42)
local first = {}
for i = 1, 10 do first[i] = math.random(1000) end
math.randomseed(42)
local same = true
for i = 1, 10 do same = same and math.random(1000) == first[i] end
print(same)
local ok = true
for _ = 1, 500 do
  local a, b, c, d = math.random(), math.random(6), math.random(-3, 3), math.random(math.mininteger, math.maxinteger)
  ok = ok and a >= 0 and a < 1 and b >= 1 and b <= 6 and c >= -3 and c <= 3 and math.type(b) == "integer" and math.type(d) == "integer"
end
print(ok, math.type(math.random()), math.type(math.random(0)), math.random(5, 5), math.random(1), math.random(3.0, 3))
local seen, distinct = {}, 0
for _ = 1, 200 do
  local v = math.random(10)
  if not seen[v] then seen[v] = true; distinct = distinct + 1 end
end
print(distinct)
for _, case in ipairs({ { 0.5 }, { 2, 1 }, { 1, 2, 3 }, { "x" }, { -1 } }) do
  print(pcall(function() return math.random(table.unpack(case)) end))
end
print(select("#", math.random(1)), math.random(math.maxinteger, math.maxinteger) == math.maxinteger)

print("errors")
for _, case in ipairs({ { "floor" }, { "floor", "x" }, { "floor", {} }, { "sqrt", "x" }, { "max" }, { "min" }, { "fmod", 1, 0 }, { "fmod", 1 }, { "abs" }, { "ult", 1, 1.5 }, { "tointeger" }, { "log", "x" }, { "ceil", true }, { "exp" } }) do
  print(pcall(function() return math[case[1]](table.unpack(case, 2)) end))
end
