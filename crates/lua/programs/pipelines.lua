-- Chains of coroutines: producers, filters and consumers.
--
-- Heap stress: coroutine stacks.  Long chains keep many stacks alive and
-- pointing at each other; thousands of coroutines are dropped unfinished, some
-- closed by hand, some ended by an error.
--
-- Arguments: [COUNT]
--   COUNT  how many short-lived coroutines each part makes, 3000 by default

local count = tonumber((...)) or 3000

-- A chain of wrapped coroutines -----------------------------------------------

local function from_to(first, last)
  return coroutine.wrap(function()
    for i = first, last do
      coroutine.yield(i)
    end
  end)
end

local function filter(source, test)
  return coroutine.wrap(function()
    for value in source do
      if test(value) then
        coroutine.yield(value)
      end
    end
  end)
end

local function map(source, change)
  return coroutine.wrap(function()
    for value in source do
      coroutine.yield(change(value))
    end
  end)
end

local function batches(source, size)
  return coroutine.wrap(function()
    local batch = {}
    for value in source do
      batch[#batch + 1] = value
      if #batch == size then
        coroutine.yield(batch)
        batch = {}
      end
    end
    if #batch > 0 then
      coroutine.yield(batch)
    end
  end)
end

local lines = {}
for batch in batches(map(filter(from_to(1, 200), function(n) return n % 3 == 1 end), function(n) return n * n end), 12) do
  lines[#lines + 1] = table.concat(batch, " ")
end
print("batches", #lines)
print(lines[1])
print(lines[#lines])

-- The sieve as a chain that grows by one filter for every prime found.
local function numbers_from(n)
  return coroutine.wrap(function()
    while true do
      coroutine.yield(n)
      n = n + 1
    end
  end)
end

local source, primes = numbers_from(2), {}
for i = 1, 60 do
  local prime = source()
  primes[i] = prime
  source = filter(source, function(n) return n % prime ~= 0 end)
end
print("primes", table.concat(primes, " ", 1, 12), "...", primes[#primes])

-- Values in both directions ---------------------------------------------------

local averager = coroutine.create(function(value)
  local sum, n = 0, 0
  while value do
    sum, n = sum + value, n + 1
    value = coroutine.yield(sum / n)
  end
  return "done", sum, n
end)
for i = 1, 5 do
  print("average", coroutine.resume(averager, i * i))
end
print("final", coroutine.resume(averager))
print("after", coroutine.status(averager), coroutine.resume(averager))

-- A scheduler: tasks take turns until all are done ----------------------------

local queue, log = {}, {}
for id = 1, 20 do
  queue[#queue + 1] = coroutine.create(function()
    for step = 1, id % 5 + 1 do
      log[#log + 1] = id * 10 + step
      coroutine.yield()
    end
  end)
end
local turns = 0
while #queue > 0 do
  local task = table.remove(queue, 1)
  assert(coroutine.resume(task))
  turns = turns + 1
  if coroutine.status(task) ~= "dead" then
    queue[#queue + 1] = task
  end
end
print("turns", turns, "steps", #log, "last", log[#log])

-- A walk over a tree by recursive yields --------------------------------------

local function build(low, high)
  if low > high then
    return nil
  end
  local middle = (low + high) // 2
  return { left = build(low, middle - 1), key = middle, right = build(middle + 1, high) }
end

local function walk(node)
  if node then
    walk(node.left)
    coroutine.yield(node.key)
    walk(node.right)
  end
end

local function keys(tree)
  return coroutine.wrap(function() walk(tree) end)
end

local expected, in_order = 0, true
for key in keys(build(1, 500)) do
  expected = expected + 1
  in_order = in_order and key == expected
end
print("walk", expected, in_order)

-- Two walks in step.
local left, right, same = keys(build(1, 100)), keys(build(1, 100)), 0
for key in left do
  if right() == key then
    same = same + 1
  end
end
print("same fringe", same, right())

-- Errors inside a coroutine ---------------------------------------------------

local function failing(at)
  return coroutine.create(function()
    for i = 1, 10 do
      if i == at then
        error("step " .. i .. " failed")
      end
      coroutine.yield(i)
    end
  end)
end
local task, steps = failing(4), 0
repeat
  local ok, value = coroutine.resume(task)
  steps = steps + 1
until not ok
print("failed after", steps, coroutine.status(task))
print(coroutine.resume(failing(1)))
print(type(select(2, pcall(coroutine.wrap(function() error({ code = 7 }) end)))))
print(select(2, pcall(coroutine.wrap(function() error({ code = 7 }) end))).code)
print(pcall(coroutine.wrap(function() local t = nil; return t.x end)))

-- An error that passes through a chain of three coroutines.
local chain = map(map(from_to(1, 5), function(n)
  if n == 3 then error("bad value", 0) end
  return n
end), function(n) return n + 100 end)
local seen = {}
local ok, message = pcall(function()
  for value in chain do
    seen[#seen + 1] = value
  end
end)
print(ok, message, table.concat(seen, ","))

-- Closing ---------------------------------------------------------------------

local closed = 0
local guard = setmetatable({}, { __close = function() closed = closed + 1 end })
for i = 1, 100 do
  local holder = coroutine.create(function()
    local first <close> = guard
    coroutine.yield()
    local second <close> = guard
    coroutine.yield()
  end)
  for _ = 1, i % 4 do
    coroutine.resume(holder)
  end
  assert(coroutine.close(holder))
  assert(coroutine.status(holder) == "dead")
end
print("closed", closed)

-- Thousands of coroutines -----------------------------------------------------

local total = 0
for i = 1, count do
  local generator = coroutine.wrap(function(a)
    local b = coroutine.yield(a + 1)
    local kept = { a, b }
    coroutine.yield(kept[1] * kept[2])
    error("never reached")
  end)
  total = total + generator(i) + generator(2)
end
print("short-lived", total)

-- All of them alive at once, resumed in a different order.
local alive = {}
for i = 1, count do
  alive[i] = coroutine.create(function(x)
    local text = "task " .. i
    local y = coroutine.yield(#text)
    return x + y
  end)
end
local lengths, results = 0, 0
for i = 1, count do
  local _, length = coroutine.resume(alive[i], i)
  lengths = lengths + length
end
for i = count, 1, -1 do
  local _, result = coroutine.resume(alive[i], 1)
  results = results + result
end
print("all alive", lengths, results)

-- A coroutine that starts a coroutine that starts a coroutine.
local function nest(depth)
  if depth == 0 then
    return 0
  end
  local inner = coroutine.wrap(nest)
  return inner(depth - 1) + 1
end
print("nested", nest(100))
