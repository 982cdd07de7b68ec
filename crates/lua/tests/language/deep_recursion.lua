-- Deep recursion, and stack overflows that are caught.

local function overflows(label, f, ...)
  local ok, message = pcall(f, ...)
  print(label, ok, type(message) == "string" and message:find("stack overflow", 1, true) ~= nil)
end

print("deep but within bounds")
local function depth(n) if n == 0 then return 0 end return 1 + depth(n - 1) end
print(depth(10), depth(1000), depth(15000))
local function sum(t) if not t then return 0 end return t.value + sum(t.rest) end
local list
for i = 1, 5000 do list = { value = i, rest = list } end
print(sum(list))
local function build(n) if n == 0 then return nil end return { build(n - 1) } end
local function height(t) local n = 0; while t do n = n + 1; t = t[1] end return n end
print(height(build(5000)))
local function ackermann(m, n)
  if m == 0 then return n + 1 end
  if n == 0 then return ackermann(m - 1, 1) end
  return ackermann(m - 1, ackermann(m, n - 1))
end
print(ackermann(2, 9))
local function args(n, ...) if n == 0 then return select("#", ...) end return (args(n - 1, n, ...)) end
print(args(100))

print("no bound for tail calls")
local function tail(n) if n == 0 then return "end" end return tail(n - 1) end
print(tail(300000))
local a, b
function a(n) if n == 0 then return "a" end return b(n - 1) end
function b(n) if n == 0 then return "b" end return a(n - 1) end
print(a(100001))
local object = { n = 0 }
function object:step(n) self.n = self.n + 1; if n > 0 then return self:step(n - 1) end return self.n end
print(object:step(50000))

print("overflows")
local function forever() return 1 + forever() end
overflows("plain", forever)
local function method() local t = {}; function t:m() self:m() return 1 end t:m() end
overflows("method", method)
overflows("varargs", function() local function f(...) return 1 + f(1, 2, 3, ...) end f() end)
overflows("in a coroutine", function() local co = coroutine.wrap(forever); co() end)

print("again after an overflow")
overflows("plain", forever)
print(depth(1000))
local ok, kept = pcall(function()
  local t = { "kept" }
  pcall(forever)
  return t[1]
end)
print(ok, kept)

print("inside metamethods")
overflows("__index", function()
  local t = setmetatable({}, {})
  getmetatable(t).__index = function(self, k) return self[k] end
  return t.x
end)
overflows("__add", function()
  local t = setmetatable({}, { __add = function(x, y) return x + y end })
  return t + 1
end)
overflows("__eq", function()
  local mt = {}
  mt.__eq = function(x, y) return x == y end
  return setmetatable({}, mt) == setmetatable({}, mt)
end)
overflows("__tostring", function()
  local t = setmetatable({}, { __tostring = function(self) return tostring(self) end })
  return tostring(t)
end)
overflows("pcall", function()
  local function f() local fine, message = pcall(f); if not fine then error(message, 0) end return message end
  return f()
end)
overflows("sort", function()
  local function f() table.sort({ 1, 2, 3 }, function(x, y) f() return x < y end) end
  f()
end)
overflows("gsub", function()
  local function f() return (("x"):gsub("x", f)) end
  return f()
end)

print("errors at the bottom of a deep stack")
local function fail_at(n) if n == 0 then error("bottom", 0) end return (fail_at(n - 1)) end
print(pcall(fail_at, 5000))
local closes = 0
local function guarded(n)
  local g <close> = setmetatable({}, { __close = function() closes = closes + 1 end })
  if n == 0 then error("guarded bottom", 0) end
  guarded(n - 1)
end
print(pcall(guarded, 100), closes)
print(xpcall(fail_at, function(m) return m .. " handled" end, 1000))
