-- The metamethods __eq, __lt and __le.

local log = {}
local function flush() print("  " .. table.concat(log, " ")); log = {} end
local mt = {}
local function make(v) return setmetatable({ v = v }, mt) end
local function value(x) return type(x) == "table" and x.v or x end
mt.__eq = function(a, b) log[#log + 1] = "eq" .. value(a) .. value(b); return value(a) == value(b) end
mt.__lt = function(a, b) log[#log + 1] = "lt" .. value(a) .. value(b); return value(a) < value(b) end
mt.__le = function(a, b) log[#log + 1] = "le" .. value(a) .. value(b); return value(a) <= value(b) end

local one, two, uno = make(1), make(2), make(1)
print(one == two, one == uno, one ~= two, one ~= uno, one == one)
flush()
print(one < two, two < one, one <= two, one >= two, one > two, one <= uno)
flush()
print(one < 2, 2 < one, one <= 1, 1 <= one, one > 0, 0 >= one, one < 1.5)
flush()
print(one == 1, 1 == one, one == nil, one == "1", one ~= 1)
flush()
print(not (one == uno), not (one < two), one == uno and "same" or "other")
flush()
if one == uno then print("equal branch") end
if one < two then print("less branch") end
if not (two <= one) then print("not less or equal branch") end
while one > uno do break end
flush()

print("different metatables")
local left = setmetatable({ v = 1 }, { __eq = function() return "left" end, __lt = function() return "left" end })
local right = setmetatable({ v = 1 }, { __eq = function() return "right" end, __lt = function() return nil end, __le = function() return 0 end })
local bare = setmetatable({}, {})
print(left == right, right == left, left == bare, bare == left, bare == bare, bare == {}, {} == {})
print(left < right, right < left, bare < left, left < bare, bare < right, right <= left, left <= right)

print("results become booleans")
print(left == right, left < right, right <= right)
local nothing = setmetatable({}, { __eq = function() end, __lt = function() end, __le = function() end })
local other = setmetatable({}, getmetatable(nothing))
print(nothing == other, nothing < other, nothing <= other, nothing ~= other)

print("no __le by means of __lt")
local only_lt = setmetatable({}, { __lt = function() return true end })
print(only_lt < only_lt, pcall(function() return only_lt <= only_lt end))

print("not comparable")
local function try(f)
  local ok, message = pcall(f)
  print(ok, message)
end
try(function() return bare < bare end)
try(function() return bare < 1 end)
try(function() return 1 < bare end)
try(function() return "a" <= bare end)
try(function() return print < print end)
try(function() return setmetatable({}, { __lt = 5 }) < 1 end)
try(function() return setmetatable({}, { __lt = function() error("in lt", 0) end }) < 1 end)
try(function() return setmetatable({}, { __name = "Named" }) < 1 end)
try(function() return setmetatable({}, { __name = "Named" }) <= setmetatable({}, { __name = "Named" }) end)

print("raw equality and keys do not ask")
print(rawequal(one, uno), ({ [one] = "x" })[uno], ({ [one] = "x" })[one])
flush()

print("sorting and searching")
local list = {}
for i = 1, 8 do list[i] = make(i * 5 % 8) end
table.sort(list)
log = {}
local out = {}
for i, item in ipairs(list) do out[i] = item.v end
print(table.concat(out, " "))
local function index_of(t, x)
  for i, item in ipairs(t) do if item == x then return i end end
end
print(index_of(list, make(5)), index_of(list, make(50)))
log = {}
print(math.max(1, 2), select(2, pcall(math.max, one, two)) == two)

print("sets by inclusion")
local Set = {}
local function set(...) local s = setmetatable({}, Set); for _, v in ipairs({ ... }) do s[v] = true end return s end
Set.__le = function(a, b) for k in pairs(a) do if not b[k] then return false end end return true end
Set.__lt = function(a, b) return a <= b and not (b <= a) end
Set.__eq = function(a, b) return a <= b and b <= a end
local p, q, r = set(1, 2), set(1, 2, 3), set(2, 1)
print(p <= q, p < q, q <= p, p == r, p == q, p ~= r, q > p, q >= r, set() < set())
