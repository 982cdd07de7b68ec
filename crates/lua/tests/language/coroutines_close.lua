-- coroutine.close, and coroutines that are left behind.

local function closer(name, failure)
  return setmetatable({}, { __close = function(_, e)
    print("  close " .. name, e)
    if failure then error(failure, 0) end
  end })
end

print("suspended")
local co = coroutine.create(function()
  local a <close> = closer("a")
  local b <close> = closer("b")
  coroutine.yield("in")
  print("never")
end)
print(coroutine.resume(co))
print(coroutine.close(co))
print(coroutine.status(co), coroutine.resume(co))
print(coroutine.close(co))

print("never started")
co = coroutine.create(print)
print(coroutine.close(co), coroutine.status(co))

print("finished")
co = coroutine.create(function() return 1 end)
coroutine.resume(co)
print(coroutine.close(co), coroutine.status(co))

print("dead by an error")
co = coroutine.create(function()
  local a <close> = closer("a")
  error("oops", 0)
end)
print(coroutine.resume(co))
print(coroutine.status(co))
print(coroutine.close(co))

print("an error in __close")
co = coroutine.create(function()
  local a <close> = closer("a")
  local b <close> = closer("b", "from b")
  coroutine.yield()
end)
coroutine.resume(co)
print(coroutine.close(co))
print(coroutine.status(co), coroutine.close(co))

print("an error value that is a table")
co = coroutine.create(function()
  local a <close> = setmetatable({}, { __close = function() error({ code = 9 }) end })
  coroutine.yield()
end)
coroutine.resume(co)
local ok, e = coroutine.close(co)
print(ok, type(e), e.code)

print("in nested calls, loops and pcalls")
co = coroutine.create(function()
  local a <close> = closer("outer")
  pcall(function()
    for i = 1, 3 do
      local b <close> = closer("loop" .. i)
      local function inner()
        local c <close> = closer("inner" .. i)
        coroutine.yield(i)
      end
      inner()
    end
  end)
end)
print(coroutine.resume(co))
print(coroutine.resume(co))
print(coroutine.close(co))

print("not allowed")
print(pcall(coroutine.close, coroutine.running()))
print(pcall(coroutine.close))
coroutine.wrap(function()
  local self = coroutine.running()
  print(pcall(coroutine.close, self))
  coroutine.wrap(function() print(pcall(coroutine.close, self)) end)()
end)()

print("a generic for with a coroutine")
local function numbers()
  local thread = coroutine.create(function()
    local a <close> = closer("numbers")
    for i = 1, 10 do coroutine.yield(i) end
  end)
  return function() local _, v = coroutine.resume(thread); return v end, nil, nil,
    setmetatable({}, { __close = function() coroutine.close(thread) end })
end
for i in numbers() do
  print(i)
  if i == 2 then break end
end

print("upvalues of a closed coroutine")
local read, write
co = coroutine.create(function()
  local v = 1
  read, write = function() return v end, function(n) v = n end
  coroutine.yield()
  print("never")
end)
coroutine.resume(co)
write(5)
print(read(), coroutine.close(co), read())
write(7)
print(read())

print("wrap after an error")
local w = coroutine.wrap(function()
  local a <close> = closer("wrapped")
  error("in wrap", 0)
end)
print(pcall(w))
print(pcall(w))

print("left behind and collected")
local count = 0
for i = 1, 200 do
  local c = coroutine.wrap(function()
    local t = { i }
    coroutine.yield(t)
    count = count + 1
  end)
  assert(c()[1] == i)
end
collectgarbage()
print(count)

print("a coroutine that is reachable only from itself")
do
  local c
  c = coroutine.create(function() local me = c; coroutine.yield(me) end)
  print(coroutine.resume(c) == true)
  c = nil
end
collectgarbage()
collectgarbage()
print("done")
