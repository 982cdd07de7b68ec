-- Coroutines whose stacks grow, shrink and are given back, with variables that closures share.

local function deep(n)
  local kept = {n}
  if n == 0 then
    coroutine.yield("deepest")
    return 0
  end
  return 1 + deep(n - 1) + kept[1] - n
end

-- Closures hold variables of a coroutine while its stack grows under them and shrinks again.
local function worker(depth)
  local count, name = 0, "w" .. depth
  local function bump() count = count + 1 return count end
  local function read() return name .. ":" .. count end
  coroutine.yield(bump, read)
  for round = 1, 6 do
    bump()
    local reached = deep(depth * round % 700)
    bump()
    name = name .. "." .. reached
    for _ = 1, 3 do coroutine.yield(read()) end
  end
  return "end " .. read()
end

for _, depth in ipairs{0, 5, 50, 333} do
  local co = coroutine.create(worker)
  local _, bump, read = coroutine.resume(co, depth)
  while true do
    local ok, what = coroutine.resume(co)
    print(depth, ok, what, bump(), read())
    collectgarbage()
    if coroutine.status(co) == "dead" then break end
  end
  -- The variables outlive the coroutine.
  print(bump(), read(), coroutine.resume(co))
end

-- Many at once, in turns, with collections between.
local all = {}
for i = 1, 200 do
  all[i] = coroutine.wrap(function(...)
    local sum, args = 0, {...}
    for j = 1, #args do sum = sum + args[j] end
    while true do
      local more = coroutine.yield(sum)
      if not more then return "done", i end
      sum = sum + select("#", table.unpack({}, 1, more))
    end
  end)
end
local total = 0
for i = 1, 200 do total = total + all[i](i, 2 * i) end
print(total)
for _, more in ipairs{1, 180, 3, 240, 2} do
  total = 0
  for i = 1, 200 do total = total + all[i](more) end
  collectgarbage()
  print(more, total)
end
for i = 1, 200, 50 do print(all[i]()) end

-- Coroutines that die in every way give their stacks back.
local function dies(how)
  local x = how
  local function get() return x end
  coroutine.yield(get)
  x = x .. "!"
  if how == "error" then error("on purpose", 0) end
  if how == "deep error" then return (function() local a <close> = setmetatable({}, {__close = function() x = x .. "?" end}) error({}) end)() end
  if how == "wait" then coroutine.yield() end
  return x
end
for _, how in ipairs{"return", "error", "deep error", "wait"} do
  local co = coroutine.create(dies)
  local _, get = coroutine.resume(co, how)
  print(how, (coroutine.resume(co)), get(), coroutine.status(co))
  print((coroutine.close(co)), coroutine.status(co), get(), (coroutine.close(co)))
  collectgarbage()
  print(get(), coroutine.resume(co))
end

-- An error in a wrapped coroutine, with its variable held.
local get
local wrapped = coroutine.wrap(function()
  local x = 1
  get = function() x = x + 1 return x end
  error("gone", 0)
end)
print(pcall(wrapped))
print(get(), get(), pcall(wrapped))

-- The main program's stack, deep and then shallow, while a coroutine waits.
local waiting = coroutine.wrap(function(v) while true do v = coroutine.yield(v and v + 1) end end)
local function down(n) if n == 0 then collectgarbage() return waiting(0) end return down(n - 1) + 1 end
waiting()
for _, n in ipairs{10, 3000, 20, 1} do
  print(down(n))
  collectgarbage()
  print(waiting(n))
end
