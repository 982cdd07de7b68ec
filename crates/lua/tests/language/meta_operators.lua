-- Arithmetic, bitwise, concatenation and unary metamethods.

local function name(v) return type(v) == "table" and v.name or tostring(v) end
local mt = {}
local ops = { "add", "sub", "mul", "div", "mod", "pow", "idiv", "band", "bor", "bxor", "shl", "shr", "concat" }
for _, op in ipairs(ops) do
  mt["__" .. op] = function(a, b) return op .. "(" .. name(a) .. "," .. name(b) .. ")" end
end
mt.__unm = function(a, b) return "unm(" .. name(a) .. "," .. tostring(rawequal(a, b)) .. ")" end
mt.__bnot = function(a, b) return "bnot(" .. name(a) .. "," .. tostring(rawequal(a, b)) .. ")" end
mt.__len = function(a) return "len(" .. name(a) .. ")" end
local A, B = setmetatable({ name = "A" }, mt), setmetatable({ name = "B" }, mt)

print("both operands")
print(A + B, A - B, A * B, A / B, A % B, A ^ B, A // B)
print(A & B, A | B, A ~ B, A << B, A >> B, A .. B)
print(-A, ~A, #A)

print("one operand")
print(A + 1, 1 + A, A + 1.5, 1.5 + A, A + "x", "x" + A, A + nil, nil + A, A + true)
print(A - 1, 1 - A, A * 2, 2 * A, A / 2, 2 / A, A % 3, 3 % A, A ^ 2, 2 ^ A, A // 2, 2 // A)
print(A & 1, 1 & A, A | 2, 2 | A, A ~ 3, 3 ~ A, A << 1, 1 << A, A >> 1, 1 >> A, A & 1.5, "x" | A)
print(A .. 1, 1 .. A, A .. "s", "s" .. A, A .. 1.5, A .. nil, nil .. A, A .. true)
local n, s = 10, "str"
print(A + n, n + A, A - n, n - A, A .. s, s .. A, A << n, n << A)
print(A + 100000, 100000 - A, A * 1e10, A & 0xFFFF, 0xFFFF | A)

print("several")
print(A .. B .. "x", "x" .. "y" .. A, A .. "x" .. "y", 1 .. 2 .. A .. 3 .. 4)
print(pcall(function() return A + B + 1 end))
print(A + -B == "add(A,unm(B,true))", A + (B .. 1))

print("the first operand wins")
local C = setmetatable({ name = "C" }, { __add = function() return "C's" end, __concat = function() return "C's" end })
print(A + C, C + A, A .. C, C .. A)
local D = setmetatable({ name = "D" }, {})
print(D + C, C + D, D .. C, pcall(function() return D + D end))

print("results are adjusted to one")
local E = setmetatable({}, { __add = function() return 1, 2, 3 end, __sub = function() end, __len = function() return 7, 8 end, __concat = function() return nil, 1 end })
print(E + 1, E - 1, #E, E .. 1)
print(select("#", E + 1), select("#", E - 1), select("#", #E))

print("objects")
local Vector = {}
Vector.__index = Vector
local function vector(x, y) return setmetatable({ x = x, y = y }, Vector) end
Vector.__add = function(a, b) return vector(a.x + b.x, a.y + b.y) end
Vector.__mul = function(a, b)
  if type(a) == "number" then return vector(a * b.x, a * b.y) end
  if type(b) == "number" then return vector(a.x * b, a.y * b) end
  return a.x * b.x + a.y * b.y
end
Vector.__unm = function(a) return vector(-a.x, -a.y) end
Vector.__tostring = function(a) return "(" .. a.x .. "," .. a.y .. ")" end
Vector.__concat = function(a, b) return tostring(a) .. tostring(b) end
local u, v = vector(1, 2), vector(3, 4)
print(tostring(u + v * 2), u * v, tostring(-(u + v)), u .. v, u .. "!", "at " .. u)
local sum = vector(0, 0)
for i = 1, 10 do sum = sum + vector(i, i * i) end
print(tostring(sum))

print("callable metamethods and other values")
local callable = setmetatable({}, { __call = function(self, a, b) return "called", a, b end })
local F = setmetatable({}, { __add = callable, __index = callable })
print(F + 1 == "called", F.x == "called")
print(pcall(function() return setmetatable({}, { __add = 5 }) + 1 end))
print(pcall(function() return setmetatable({}, { __unm = "x" }) + 1 end))
print(pcall(function() return -setmetatable({}, { __unm = {} }) end))

print("no metamethod")
local function try(f)
  local ok, message = pcall(f)
  print(ok, message)
end
local plain, text, none = {}, "text", nil
try(function() return plain + 1 end)
try(function() return 1 + plain end)
try(function() return plain .. "x" end)
try(function() return "x" .. plain end)
try(function() return plain & 1 end)
try(function() return -plain end)
try(function() return ~plain end)
try(function() return #none end)
try(function() return #5 end)
try(function() return text + 1 end)
try(function() return 1 + text end)
try(function() return -text end)
try(function() return text | 1 end)
try(function() return text .. none end)
try(function() return 2 ^ {} end)
try(function() return 10 // print end)
try(function() return true + 1 end)
try(function() return {} .. {} end)
try(function() return 1.5 & plain end)
try(function() return 1 .. 2 .. {} end)

print("errors inside")
try(function() return setmetatable({}, { __add = function() error("in add", 0) end }) + 1 end)
try(function() return setmetatable({}, { __concat = function() error("in concat") end }) .. "x" end)
try(function() return #setmetatable({}, { __len = function() local x; return x.y end }) end)

print("operators on strings with numbers use the string metatable")
print("10" + 5, "3" * "4", "2" ^ "3", -"5", "7" // "2", "7" % "4", "1e1" - 0, "0x10" + 0, "10" / 4)
local saved = getmetatable("").__add
getmetatable("").__add = function(a, b) return "string add " .. a .. " " .. b end
print("a" + 1, 1 + "b", "1" + "2", 1 + 2)
getmetatable("").__add = saved
print("1" + "2")
getmetatable("").__band = function(a, b) return "string band" end
print("1" & 2, 1 & "x")
getmetatable("").__band = nil
