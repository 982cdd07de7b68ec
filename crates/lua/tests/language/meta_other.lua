-- The metamethods __call, __tostring, __name, __metatable, __pairs and __len.

local function clean(s) return (tostring(s):gsub("0x%x+", "PTR")) end
local function try(f)
  local ok, message = pcall(f)
  print(ok, clean(message))
end

print("__call")
local called = setmetatable({ name = "it" }, { __call = function(self, ...) return self.name, select("#", ...), ... end })
print(called())
print(called(1, nil, 3))
print((called(1)))
print(pcall(called, "through pcall"))
print(select(2, called("a", "b")))
local double = setmetatable({}, { __call = called })
print((select("#", double("x"))), (double("x")))
local t = { method = called, list = { called } }
print(t.method("field"), t:method("method") == "it", t.list[1]())
local function tail(...) return called(...) end
print(tail(1, 2))
print(("x"):gsub("x", function() return (called()) end))
local sorted = { 3, 1, 2 }
try(function() table.sort(sorted, setmetatable({}, { __call = function(_, a, b) return a < b end })) end)
print(coroutine.wrap(function() return called(coroutine.yield("yielded")) end)())
for i in setmetatable({}, { __call = function(_, _, i) i = (i or 0) + 1; if i < 4 then return i end end }) do io.write(i, " ") end
print()
try(function() setmetatable({}, { __call = 5 })() end)
try(function() setmetatable({}, {})() end)
try(function() return (5)() end)

print("__tostring and __name")
print(tostring(setmetatable({}, { __tostring = function(self) return "custom" end })))
print(setmetatable({}, { __tostring = function() return "by print" end }), 1)
print(clean(setmetatable({}, { __name = "My.Type" })), clean({}), clean(print):gsub("builtin: ", ""))
print(clean(setmetatable({}, { __name = 5 })))
try(function() return tostring(setmetatable({}, { __tostring = function() return {} end })) end)
try(function() return tostring(setmetatable({}, { __tostring = function() error("in tostring", 0) end })) end)
try(function() return tostring(setmetatable({}, { __tostring = function() end })) end)
try(function() return tostring(setmetatable({}, { __tostring = "no function" })) end)
try(function() print(setmetatable({}, { __tostring = function() return nil end })) end)
local named = setmetatable({}, { __name = "My.Type" })
try(function() return named + 1 end)
try(function() return named .. "x" end)
try(function() return named() end)
try(function() return #named < named end)
try(function() return ("x"):rep(named) end)
try(function() return named.x.y end)
try(function() for _ in ipairs() do end end)
try(function() return math.floor(named) end)
print(string.format("%s|%10s", setmetatable({}, { __tostring = function() return "fmt" end }), setmetatable({}, { __tostring = function() return "right" end })))
try(function() return "a" .. setmetatable({}, { __tostring = function() return "b" end }) end)

print("__metatable")
local locked = setmetatable({}, { __metatable = "locked" })
print(getmetatable(locked))
try(function() setmetatable(locked, {}) end)
try(function() setmetatable(locked, nil) end)
local hidden = setmetatable({}, { __metatable = false, __index = { x = 1 } })
print(getmetatable(hidden), hidden.x)
try(function() setmetatable(hidden, {}) end)
print(getmetatable("abc").__name, getmetatable(5), getmetatable(nil), getmetatable(print), getmetatable({}))
try(function() setmetatable({}, 5) end)
try(function() setmetatable({}) end)
try(function() setmetatable(5, {}) end)
try(function() setmetatable("x", nil) end)
try(function() getmetatable() end)
local mt = {}
local object = setmetatable({}, mt)
print(getmetatable(object) == mt, setmetatable(object, nil) == object, getmetatable(object))

print("__pairs")
local proxy = setmetatable({}, { __pairs = function(self) return function(_, k) k = (k or 0) + 1; if k <= 3 then return k, k * k end end, self, nil end })
for k, v in pairs(proxy) do io.write(k, "=", v, " ") end
print()
print(select("#", pairs(setmetatable({}, { __pairs = function() return 1, 2, 3, 4, 5 end }))))
print(select("#", pairs(setmetatable({}, { __pairs = function() end }))))
print(pairs(setmetatable({}, { __pairs = function(...) return select("#", ...) end })))
try(function() for _ in pairs(setmetatable({}, { __pairs = function() error("in pairs", 0) end })) do end end)
print(rawequal((pairs({})), next), next(setmetatable({ 1 }, { __pairs = error })))

print("__len")
local long = setmetatable({ 1, 2, 3 }, { __len = function(self) return rawlen(self) * 10 end })
print(#long, rawlen(long), #setmetatable({}, { __len = function() return "text" end }), #setmetatable({}, { __len = function() end }))
try(function() return table.concat(setmetatable({}, { __len = function() return "x" end })) end)
print(table.unpack(setmetatable({ "a", "b", "c" }, { __len = function() return 2 end })))

print("metatables are looked up raw")
local base = { __add = function() return "inherited" end }
try(function() return setmetatable({}, setmetatable({}, { __index = base })) + 1 end)

print("a metatable of itself")
local self_meta = {}
self_meta.__index = self_meta
self_meta.__tostring = function() return "itself" end
self_meta.__call = function(self, n) return n and n > 0 and self(n - 1) or "called" end
setmetatable(self_meta, self_meta)
print(tostring(self_meta), self_meta(5), pcall(function() return self_meta.missing end) == false)

print("_G with a metatable")
setmetatable(_G, { __index = function(_, k) return "default " .. k end, __newindex = function(t, k, v) rawset(t, k, v .. "!") end })
print(undefined_name)
new_name = "set"
print(new_name, rawget(_G, "new_name"))
setmetatable(_G, nil)
new_name = nil
print(undefined_name, new_name)
