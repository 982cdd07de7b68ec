-- The metamethods __index and __newindex, and raw access.

print("functions")
local log = {}
local t = setmetatable({ here = 1 }, {
  __index = function(self, k) log[#log + 1] = "get " .. tostring(k); return k == "made" and "value" or nil end,
  __newindex = function(self, k, v) log[#log + 1] = "set " .. tostring(k); rawset(self, k, v) end,
})
print(t.here, t.made, t.nope, t[1], t[nil])
t.new = 5
t.new = 6
t.here = nil
t.here = 2
print(t.new, t.here, table.concat(log, ", "))
print(pcall(function() t[nil] = 1 end))

print("chains of tables")
local a = { x = "ax", y = "ay" }
local b = setmetatable({ y = "by" }, { __index = a })
local c = setmetatable({}, { __index = b })
print(c.x, c.y, c.z, rawget(c, "x"))
b.z = "bz"
print(c.z)
c.x = "cx"
print(c.x, b.x, a.x)
local deep = {}
for i = 1, 50 do deep = setmetatable({ ["level" .. i] = i }, { __index = deep }) end
print(deep.level1, deep.level25, deep.level50, deep.level51)
local ends = setmetatable({}, { __index = setmetatable({}, { __index = function(self, k) return k .. "!" end }) })
print(ends.anything, rawget(ends, "anything"))

print("chains of assignment")
local store = {}
local front = setmetatable({}, { __newindex = store })
front.x = 1
print(rawget(front, "x"), store.x)
local log2 = {}
local through = setmetatable({}, { __newindex = setmetatable({}, { __newindex = function(_, k, v) log2[k] = v end }) })
through.x = "kept"
print(rawget(through, "x"), log2.x)
front.x = nil
print(store.x)

print("other types")
local function try(f)
  local ok, message = pcall(f)
  print(ok, message)
end
try(function() return (5).x end)
try(function() return (nil).x end)
try(function() return (true)[1] end)
try(function() local n = 1; n.x = 2 end)
try(function() local f = print; f.x = 2 end)
print(("abc").len == string.len, ("abc").x, #"abc")
local target = setmetatable({}, { __index = 5 })
try(function() return target.x end)
target = setmetatable({}, { __index = "a string" })
print(target.len == string.len, target.x)
target = setmetatable({}, { __newindex = "a string" })
try(function() target.x = 1 end)
target = setmetatable({}, { __newindex = function(_, ...) print(...) end })
target.x = nil
target = setmetatable({}, { __index = true })
try(function() return target.missing end)

print("loops")
local loop = {}
setmetatable(loop, { __index = loop })
try(function() return loop.x end)
local one, two = {}, {}
setmetatable(one, { __index = two, __newindex = two })
setmetatable(two, { __index = one, __newindex = one })
try(function() return one.x end)
try(function() one.x = 1 end)

print("results are adjusted")
local many = setmetatable({}, { __index = function() return 1, 2, 3 end })
print(many.x, (many.x), select("#", many.x))
local none = setmetatable({}, { __index = function() end })
print(none.x, select("#", none.x))

print("present fields do not ask")
local calls = 0
local quiet = setmetatable({ f = false }, { __index = function() calls = calls + 1 end, __newindex = function() calls = calls + 1 end })
print(quiet.f, calls)
quiet.f = 1
quiet.f = nil
quiet.f = 2
print(calls, rawget(quiet, "f"), quiet[1], calls)

print("integer keys")
local sparse = setmetatable({ 10, 20 }, { __index = function(_, k) return k * 100 end })
print(sparse[1], sparse[3], sparse[-1], sparse[2.0], sparse[1.5], #sparse)
local defaults = setmetatable({}, { __index = function(self, k) local v = {}; self[k] = v; return v end })
defaults.a.b = 1
defaults.a.c = 2
defaults[1][2] = 3
print(defaults.a.b, defaults.a.c, defaults[1][2], #defaults)

print("raw functions")
local raw = setmetatable({}, { __index = function() return "meta" end, __newindex = error, __len = function() return 99 end, __eq = function() return true end })
rawset(raw, "k", "v")
rawset(raw, 1, "one")
print(rawget(raw, "k"), rawget(raw, "other"), raw.other, rawlen(raw), #raw)
print(rawequal(raw, setmetatable({}, getmetatable(raw))), raw == setmetatable({}, getmetatable(raw)))
try(function() rawset(5, 1, 2) end)
try(function() rawget("x", 1) end)
try(function() rawlen(5) end)
try(function() rawset({}, nil, 1) end)
try(function() rawequal(1) end)
print(rawset(raw, 2, "two") == raw, rawlen("four"))

print("changing the metatable")
local changing = {}
print(changing.x)
setmetatable(changing, { __index = { x = 1 } })
print(changing.x)
getmetatable(changing).__index = { x = 2 }
print(changing.x)
getmetatable(changing).__index = nil
print(changing.x)
setmetatable(changing, nil)
print(changing.x, getmetatable(changing))
local mt = {}
local late = setmetatable({}, mt)
print(late.field)
mt.__index = function(_, k) return k end
print(late.field, late.other)
mt.__index = false
try(function() return late.field end)

print("methods")
local Class = {}
Class.__index = Class
function Class.new(n) return setmetatable({ n = n }, Class) end
function Class:add(m) self.n = self.n + m; return self end
function Class:get() return self.n end
local object = Class.new(5)
print(object:add(2):add(3):get(), object.add == Class.add, rawget(object, "add"))
try(function() return object:missing() end)
try(function() return object.n() end)
