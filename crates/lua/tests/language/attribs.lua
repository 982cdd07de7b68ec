-- Local variables with attributes: <const> and <close>.

local function guard(name, log)
  return setmetatable({ name = name }, { __close = function(self, err)
    log[#log + 1] = "close " .. self.name .. (err ~= nil and " (" .. tostring(err) .. ")" or "")
  end })
end

local answer <const> = 42
local text <const>, number <const>, plain = "text", 1.5, "plain"
plain = "changed"
print(answer, text, number, plain, answer + 1, text .. number)
local list <const> = { 1 }
list[2] = 2
print(#list, (function() return answer * 2 end)(), (function() return list end)() == list)
local none <const> = nil
local truth <const> = true
print(none, truth, none == nil, not truth)
for i = 1, 2 do local double <const> = i * 2; io.write(double, " ") end
print()

local function try(source)
  local chunk, message = load(source, "=src")
  print(chunk and "compiled" or message)
end
try("local x <const> = 1; x = 2")
try("local x <const> = 1; local function f() x = 2 end")
try("local x <close> = nil; x = 2")
try("local x <const>, y = 1, 2; y = 3")
try("local x <const>, y = 1, 2; x, y = 3, 4")
try("local x <foo> = 1")
try("local x <const = 1")
try("local x <close>, y <close> = nil, nil")
try("local x <const>")
try("local x <const> = 1; do local x = 2; x = 3 end")
try("local x <const> = 1; local t = {x = 1}; t.x = 2")
try("local x <const> = 1; for x = 1, 2 do x = 3 end")
try("local <const> x = 1")
try("local function <const> f() end")

print("order")
local log = {}
do
  local a <close> = guard("a", log)
  local b <close> = guard("b", log)
  local c <const>, d <close> = 1, guard("d", log)
  log[#log + 1] = "body"
end
print(table.concat(log, ", "))

print("nil and false are ignored")
do
  local a <close> = nil
  local b <close> = false
  print(a, b)
end

print("ways to leave")
log = {}
local function returning()
  local a <close> = guard("a", log)
  log[#log + 1] = "in"
  return "value", #log
end
print(returning())
print(table.concat(log, ", "))
log = {}
for i = 1, 3 do
  local a <close> = guard("loop" .. i, log)
  if i == 2 then break end
end
while true do
  local a <close> = guard("while", log)
  break
end
repeat local a <close> = guard("repeat", log) until true
print(table.concat(log, ", "))
log = {}
local function nested()
  local a <close> = guard("outer", log)
  do
    local b <close> = guard("inner", log)
    if true then return "early" end
  end
end
print(nested(), table.concat(log, ", "))
log = {}
local function results()
  local t = { "before" }
  local a <close> = setmetatable({}, { __close = function() t[1] = "after" end })
  return t[1], t
end
local value, t = results()
print(value, t[1])

print("not a tail call")
log = {}
local function callee() log[#log + 1] = "callee"; return "result" end
local function caller()
  local a <close> = guard("a", log)
  return callee()
end
print(caller(), table.concat(log, ", "))

print("arguments of __close")
do
  local a <close> = setmetatable({}, { __close = function(...) print(select("#", ...), type((...)), (select(2, ...))) end })
end
print(pcall(function()
  local a <close> = setmetatable({}, { __close = function(...) print(select("#", ...), type((...)), (select(2, ...))) end })
  error("the error", 0)
end))

print("values that cannot be closed")
print(pcall(function() local a <close> = {} end))
print(pcall(function() local bad <close> = 42 end))
print(pcall(function() local a <close> = setmetatable({}, {}) end))
print(pcall(function() local a <close> = true end))
print(pcall(function() local name <close> = print end))

print("metamethod removed meanwhile")
print(pcall(function()
  local a <close> = setmetatable({}, { __close = print })
  getmetatable(a).__close = nil
end))
print(pcall(function()
  local a <close> = setmetatable({}, { __close = print })
  getmetatable(a).__close = 5
end))

print("upvalues of closed variables")
local reader
do
  local a <close> = guard("kept", {})
  reader = function() return a.name end
end
print(reader())

print("yield in __close")
local task = coroutine.wrap(function()
  do
    local a <close> = setmetatable({}, { __close = function() coroutine.yield("from close") end })
    coroutine.yield("from body")
  end
  return "end"
end)
print(task(), task(), task())
