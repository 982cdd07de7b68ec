-- collectgarbage: the options whose results do not depend on the collector.

print(math.type(collectgarbage("count")), collectgarbage("count") > 0)
print(collectgarbage("collect"), collectgarbage())
print(type(collectgarbage("step")), type(collectgarbage("step", 0)), type(collectgarbage("step", 100)))
print(collectgarbage("isrunning"))
print(collectgarbage("stop"), collectgarbage("isrunning"))
print(collectgarbage("collect"), collectgarbage("isrunning"))
print(collectgarbage("restart"), collectgarbage("isrunning"))
print(pcall(function() collectgarbage("nonsense") end))
print(pcall(function() collectgarbage({}) end))
print(select("#", collectgarbage("count")), select("#", collectgarbage("collect")))

print("memory falls when data is dropped")
local function used() collectgarbage(); collectgarbage(); return collectgarbage("count") end
local before = used()
local big = {}
for i = 1, 2000 do big[i] = { i, tostring(i), ("x"):rep(100) .. i } end
local full = used()
big = nil
local after = used()
print(full > before + 200, after < full - 200, after < before + 100)

before = used()
do
  local text = ("y"):rep(1 << 20)
  print(used() > before + 1000, #text)
end
local hidden = used()
print(hidden > 0)

print("what is reachable stays")
local root = { list = {}, map = {}, closure = nil, co = nil }
for i = 1, 50 do
  root.list[i] = { value = i }
  root.map["key" .. i] = "value" .. i
end
do
  local captured = { "captured" }
  root.closure = function() return captured[1] end
  root.co = coroutine.wrap(function() local mine = { "on the stack" }; coroutine.yield(); return mine[1] end)
  root.co()
end
setmetatable(root, { __index = setmetatable({}, { __index = { deep = "deep field" } }) })
for _ = 1, 5 do
  for i = 1, 200 do local _ = { i, "garbage" .. i } end
  collectgarbage()
end
local sum, ok = 0, true
for i = 1, 50 do
  sum = sum + root.list[i].value
  ok = ok and root.map["key" .. i] == "value" .. i
end
print(sum, ok, root.closure(), root.co(), root.deep)

print("cycles are freed")
before = used()
for i = 1, 1000 do
  local a, b = { text = ("z"):rep(50) .. i }, {}
  a.b, b.a, a.self = b, a, a
  a.f = function() return a, b end
  setmetatable(a, { __index = b })
end
print(used() < before + 100)

print("in the middle of things")
local parts = {}
for i = 1, 20 do
  parts[#parts + 1] = ("p" .. i):gsub("%d+", function(d) collectgarbage(); return "<" .. d .. ">" end)
end
print(table.concat(parts, " ", 1, 4))
local list = { 5, 3, 4, 1, 2 }
table.sort(list, function(a, b) collectgarbage("step"); return a < b end)
print(table.concat(list, " "))
local t = setmetatable({}, { __index = function(_, k) collectgarbage(); return k .. "!" end, __concat = function(a, b) collectgarbage(); return "joined" end })
print(t.field, t .. "x", "x" .. t)
print(select(2, pcall(function() collectgarbage(); error("after" .. " a " .. "collection", 0) end)))
local co = coroutine.wrap(function(...)
  local kept = { ... }
  collectgarbage()
  local more = { coroutine.yield(#kept) }
  collectgarbage()
  return kept[1] .. more[1]
end)
print(co("first" .. 1, "second"))
collectgarbage()
print(co("third" .. 3))
local chunk = load("local s = 'made' .. ... ; collectgarbage(); return function() return s end")
local f = chunk("up")
chunk = nil
collectgarbage()
print(f())
for k, v in pairs({ only = { "value" } }) do
  collectgarbage()
  print(k, v[1])
end
print(string.format("%s %s", setmetatable({}, { __tostring = function() collectgarbage(); return "one" .. 1 end }),
  setmetatable({}, { __tostring = function() collectgarbage(); return "two" .. 2 end })))

print("stopped, a program still allocates")
collectgarbage("stop")
local n = 0
for i = 1, 2000 do local x = { i }; n = n + #x end
print(n, collectgarbage("isrunning"))
collectgarbage("restart")
print(collectgarbage("isrunning"))
