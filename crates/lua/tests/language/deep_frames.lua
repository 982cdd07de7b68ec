-- Deep stacks with collections while they are deep: variables of lower frames that closures write, errors that leave many
-- frames at once, coroutines, pending variables, tail calls and extra arguments far from the first frame.

local garbage
local function litter(n) for i = 1, n do garbage = { i } end end
local function collect(n)
  if n % 97 == 0 then collectgarbage("step") end
  if n % 1501 == 0 then collectgarbage() end
  litter(3)
end

-- Every frame keeps tables in its registers, and looks at them when the call has returned.
local function keep(n)
  local a, b, c = { n }, { n + 1 }, { n + 2 }
  collect(n)
  if n == 0 then return 0 end
  local below = keep(n - 1)
  collect(n)
  a[1], b, c = a[1] + 1, { a, b }, { c }
  return (below + a[1] + b[2][1] + c[1][1] + b[1][1]) % 1000003
end
print("registers", keep(3000), keep(6000))

-- Up and down, so that what was frozen thaws and freezes again.
local function wave(n, depth)
  local mine = { n }
  collect(n)
  local sum = 0
  if depth > 0 then
    for i = 1, (depth % 40 == 0) and 2 or 1 do
      if depth > 40 or i == 1 then sum = sum + wave(n + i, depth - 1) % 1009 end
    end
  end
  mine = { mine, sum }
  return sum + mine[1][1]
end
print("waves", wave(1, 300))
local function sawtooth(depth)
  local held = { depth }
  if depth > 4000 then litter(50) return held[1] end
  local sum = 0
  if depth % 500 == 0 then
    local function climb(k) local own = { k } litter(1) if k == 0 then return 0 end return climb(k - 1) + own[1] end
    for i = 1, 4 do sum = (sum + climb(400 * i)) % 100003 end
  end
  return (sum + sawtooth(depth + 1) + held[1]) % 100003
end
print("sawtooth", sawtooth(1))

-- Closures that write the variables of frames far below: what they write is new, and nothing else holds it.
local function writers(n, list)
  local variable, other = { n }, n
  list[#list + 1] = function(value) variable = { value, variable } return other end
  litter(2)
  if n > 0 then
    writers(n - 1, list)
  else
    for round = 1, 6 do
      for i = 1, #list, 7 do list[i](round * i) litter(2) end
      collectgarbage("step")
      if round % 3 == 0 then collectgarbage() end
    end
  end
  local length, sum, t = 0, 0, variable
  while t do length, sum, t = length + 1, (sum * 7 + t[1]) % 10007, t[2] end
  list.sum = ((list.sum or 0) * 31 + sum + length) % 1000003
  collect(n)
end
local list = {}
writers(3000, list)
print("upvalues", list.sum)

-- The same by a coroutine, whose stack is not the one that the variables are on.
local function resumed(n, list)
  local variable = { n }
  list[#list + 1] = function(value) variable = { value, variable } end
  if n > 0 then
    resumed(n - 1, list)
  else
    local co = coroutine.wrap(function()
      for round = 1, 6 do
        for i = 1, #list, 5 do list[i](round + i) litter(2) end
        collectgarbage("step")
        coroutine.yield(round)
      end
    end)
    for round = 1, 6 do collect(round * 97) co() end
  end
  local sum, t = 0, variable
  while t do sum, t = (sum * 7 + t[1]) % 10007, t[2] end
  list.sum = ((list.sum or 0) * 31 + sum) % 1000003
end
list = {}
resumed(3000, list)
print("from a coroutine", list.sum)

-- Errors from far above, caught far below, again and again; the frames between are written over by others.
local function fail(n, how)
  local own = { n }
  collect(n)
  if n == 0 then error(how) end
  fail(n - 1, how)
  return own
end
local function catch(n)
  local before = { n }
  local ok, message = pcall(fail, 2500, { "thrown", n })
  collect(n)
  local after = { before, message }
  if n == 0 then return ok, message[2] end
  local _, deeper = catch(n - 1)
  return ok, deeper + after[1][1] + after[2][2]
end
print("errors", catch(12))
print("handlers", xpcall(fail, function(value) collectgarbage() litter(100) return value .. "!" end, 2500, "handled"))
local function overflow(n) local own = { n } litter(1) return overflow(n + 1) + own[1] end
for i = 1, 2 do print("overflow", (pcall(overflow, 1))) collectgarbage() end

-- Pending variables all the way down, closed by returns and by an error.
local closed = 0
local closer = { __close = function(value) closed = (closed * 3 + value[1]) % 1000003 litter(2) collect(value[1]) end }
local function scopes(n, how)
  local handle <close> = setmetatable({ n }, closer)
  local own = { n }
  collect(n)
  if n == 0 then
    if how then error(how) end
    return 0
  end
  local rest = scopes(n - 1, how)
  return rest + own[1]
end
print("scopes", scopes(150), closed)
local function pad(n, f, ...) local own = { n } litter(1) if n == 0 then return f(...) end return (pad(n - 1, f, ...)), own[1] end
print("scopes, far up", pad(3000, scopes, 150), closed)
print("scopes that fail", pcall(pad, 3000, scopes, 150, "failed"))
print(closed)

-- Deep coroutines: suspended, resumed at another depth, dead by an error, closed.
local function climb(n)
  local own = { n }
  collect(n)
  if n == 0 then
    local sum = 0
    for i = 1, 5 do sum = sum + coroutine.yield(i)[1] litter(20) end
    return sum
  end
  local sum = climb(n - 1)
  return (sum + own[1]) % 100003
end
local function drive(n, co)
  local own = { n }
  if n > 0 then local value = drive(n - 1, co) return value, own[1] end
  local value
  for i = 0, 5 do
    local _
    _, value = coroutine.resume(co, i == 0 and 3000 or { i })
    collectgarbage("step")
    litter(50)
  end
  return value
end
print("coroutines", drive(2500, coroutine.create(climb)))
local co = coroutine.create(fail)
print("dead", coroutine.resume(co, 2500, "in a coroutine"))
print(coroutine.status(co), coroutine.close(co))
co = coroutine.create(function() return pad(3000, scopes, 100, nil), pad(2000, coroutine.yield, "up there") end)
print(coroutine.resume(co))
collectgarbage()
print(coroutine.status(co), coroutine.close(co), coroutine.status(co))
co = coroutine.create(function() pad(2500, function() local handle <close> = setmetatable({ 5 }, closer) coroutine.yield(7) end) end)
print(coroutine.resume(co))
print(coroutine.close(co), closed)
print("wrapped", pcall(coroutine.wrap(fail), 2500, "from a wrap"))

-- Tail calls, metamethods and extra arguments far up.
local function tail(n, value) litter(1) if n == 0 then return value end return tail(n - 1, { value[1] + 1 }) end
local function up(n) local own = { n } if n == 0 then return tail(5000, own)[1] end local above = up(n - 1) return above + own[1] end
print("tail calls", up(2500))
local meta = { __index = function(t, k) litter(30) return pad(300, function() return k * 2 end) end,
  __add = function(a, b) return { pad(400, function() return 5 end) } end,
  __concat = function(a, b) return pad(300, function() return "c" end) end,
  __lt = function(a, b) return pad(300, function() return true end) end }
local function metas(n)
  local own = { n }
  if n == 0 then
    local t, sum = setmetatable({}, meta), 0
    for i = 1, 10 do sum = sum + t[i] + (t + t)[1] + #(t .. "x") + ((t < t) and 1 or 0) end
    return sum
  end
  local above = metas(n - 1)
  return above + own[1]
end
print("metamethods", metas(2500))
local function extra(n, ...)
  local own = { n, ... }
  collect(n)
  if n == 0 then return #own, ... end
  return extra(n - 1, own[1], select(2, ...))
end
local function spread(n, ...)
  local own = { ... }
  litter(2)
  if n == 0 then return ... end
  local a, b, c = spread(n - 1, own, n, ...)
  return a, b, #own + (tonumber(c) or 0)
end
print("extra arguments", select("#", extra(3000, 1, 2, 3)), select(3, spread(90, 1)))

-- Functions in Rust that call back from far up.
local function sorted(n)
  local own = { n }
  if n == 0 then
    local t = {}
    for i = 1, 200 do t[i] = { (i * 7919) % 211 } end
    table.sort(t, function(a, b) litter(1) return pad(20, function() return a[1] < b[1] end) end)
    return t[1][1] + t[200][1]
  end
  local above = sorted(n - 1)
  return above + own[1]
end
print("callbacks", sorted(2500))
print(("x"):rep(3):gsub("x", function() return pad(2000, function() litter(20) return "y" end) end))
