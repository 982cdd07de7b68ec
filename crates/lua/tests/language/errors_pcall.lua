-- pcall, xpcall, error and assert: levels, values and results.

local function report(label, ...)
  local parts = table.pack(...)
  for i = 1, parts.n do parts[i] = type(parts[i]) == "table" and "table" or tostring(parts[i]) end
  print(label, table.concat(parts, " | ", 1, parts.n))
end

print("results")
report("none", pcall(function() end))
report("many", pcall(function() return 1, nil, 3 end))
report("args", pcall(function(...) return select("#", ...), ... end, nil, 2, nil))
report("nested", pcall(pcall, pcall, error, "x"))
report("pcall of error", pcall(error))
report("pcall of nil", pcall(nil))
report("pcall of number", pcall(5, 1))
report("pcall of string", pcall("print"))
report("no arguments", pcall(function() pcall() end))
report("no arguments", pcall(function() xpcall() end))
report("one argument", pcall(function() xpcall(print) end))

print("values")
report("string", pcall(error, "message", 0))
report("nil", pcall(error, nil))
report("number", pcall(error, 42))
report("boolean", pcall(error, false))
report("table", pcall(error, {}))
report("function", (select(2, pcall(error, print))) == print)
local object = setmetatable({ code = 7 }, { __tostring = function(self) return "object " .. self.code end })
local ok, caught = pcall(error, object)
report("object", ok, caught == object, tostring(caught), caught.code)

print("levels")
local function level(n) error("at level " .. tostring(n), n) end
local function calls_level(n) level(n) end
local function outer(n) calls_level(n) end
for n = 0, 4 do report(n, pcall(outer, n)) end
report("default", pcall(function() error("here") end))
report("level 1 number", pcall(function() error(42, 1) end))
report("level 2 table", pcall(function() error({}, 2) end))
report("level 2 of pcall", pcall(function() error("up", 2) end))
report("huge level", pcall(function() error("far", 1000) end))
report("no message", pcall(function() error() end))

print("assert")
report("true", pcall(assert, true, "unused"))
report("values", pcall(assert, 1, 2, nil))
report("false", pcall(assert, false))
report("nil message", pcall(assert, nil, nil))
report("message", pcall(assert, false, "the message"))
report("table message", pcall(assert, nil, {}))
report("number message", pcall(assert, false, 42))
report("no value", pcall(function() assert() end))
report("position", pcall(function() assert(false, "no position added") end))
report("call", pcall(function() assert(load("x =")) end))
report("pass", assert(1, "a"), (assert("x")))

print("xpcall")
local function handler(m) return "handled: " .. tostring(m) end
report("ok", xpcall(function(...) return ... end, handler, 1, 2))
report("error", xpcall(function() error("oops", 0) end, handler))
report("position", xpcall(function() error("oops") end, handler))
report("arguments", xpcall(function(a, b) error(a .. b, 0) end, handler, "x", "y"))
report("runtime", xpcall(function() local t; return t.x end, handler))
report("table", xpcall(error, function(m) return type(m), "dropped" end, {}))
report("nothing", xpcall(error, function() end, "x"))
report("error in handler", (xpcall(error, function(m) error("again", 0) end, "x")))
report("handler is no function", pcall(function() xpcall(error, 5, "x") end))
report("not called", xpcall(5, handler))
local depth = 0
report("where", xpcall(function()
  local function inner() error("deep", 0) end
  depth = depth + 1
  inner()
end, function(m) return m .. " seen at depth " .. depth end))
report("nested", xpcall(function()
  local ok, m = xpcall(error, function(m) return "inner " .. m end, "x")
  error(m .. " then outer", 0)
end, function(m) return "<" .. m .. ">" end))
report("handler and pcall", xpcall(function() return pcall(error, "quiet", 0) end, handler))

print("rethrow")
report("again", pcall(function()
  local ok, m = pcall(error, "first", 0)
  error(m .. " again", 0)
end))
report("same object", select(2, pcall(function()
  local _, e = pcall(error, object)
  error(e)
end)) == object)

print("state after an error")
local t = { 1, 2, 3 }
report("partial", pcall(function()
  t[1] = 10
  t[2] = nil + 1
  t[3] = 30
end))
report("kept", t[1], t[2], t[3])
local count = 0
for i = 1, 1000 do
  if not pcall(error, i) then count = count + 1 end
end
report("count", count)
local function recurse(n)
  if n == 0 then error("bottom", 0) end
  local ok, m = pcall(recurse, n - 1)
  error(m .. n, 0)
end
report("nested pcalls", pcall(recurse, 8))
local function deep(n)
  if n == 0 then return "reached" end
  local ok, v = pcall(deep, n - 1)
  return v
end
report("deep pcalls", deep(100))

print("from library functions")
report("callback", pcall(function() table.sort({ 1, 2, 3 }, function() error("in comparator", 0) end) end))
report("gsub", pcall(string.gsub, "x", "x", function() error("in gsub", 0) end))
report("tostring", pcall(tostring, setmetatable({}, { __tostring = function() error("in tostring", 0) end })))
report("load", pcall(load, function() error("in reader", 0) end))
report("iterator", pcall(function() for _ in function() error("in iterator", 0) end do end end))
