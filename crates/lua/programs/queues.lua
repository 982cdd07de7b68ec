-- Queues, stacks and heaps: primes, shortest ways and events in order.
--
-- Heap stress: containers whose live part moves.  A queue over a table drops
-- its front while it grows at its back, a linked queue is a list whose head
-- keeps dying, and a priority queue mixes old and young entries.
--
-- Arguments: [SIZE]
--   SIZE  how far the sieve goes and how many events there are, 10000 by default

local size = tonumber((...)) or 10000

-- The sieve of Eratosthenes --------------------------------------------------------

local composite, primes = {}, {}
for n = 2, size do
  if not composite[n] then
    primes[#primes + 1] = n
    for multiple = n * n, size, n do
      composite[multiple] = true
    end
  end
end
print("primes", #primes, "last", primes[#primes])

-- The same primes from a priority queue of running multiples -------------------------

local Heap = {}
Heap.__index = Heap

function Heap.new(less)
  return setmetatable({ less = less, size = 0 }, Heap)
end

function Heap:push(value)
  local less, at = self.less, self.size + 1
  self.size = at
  while at > 1 do
    local parent = at // 2
    if not less(value, self[parent]) then break end
    self[at], at = self[parent], parent
  end
  self[at] = value
end

function Heap:pop()
  local size = self.size
  if size == 0 then return nil end
  local first, last, less = self[1], self[size], self.less
  self[size], self.size = nil, size - 1
  size = size - 1
  if size > 0 then
    local at = 1
    while true do
      local child = at * 2
      if child > size then break end
      if child < size and less(self[child + 1], self[child]) then child = child + 1 end
      if not less(self[child], last) then break end
      self[at], at = self[child], child
    end
    self[at] = last
  end
  return first
end

local multiples, found = Heap.new(function(a, b) return a.at < b.at end), 0
local bound = size // 5
for n = 2, bound do
  local top = multiples[1]
  if not top or top.at > n then
    found = found + 1
    multiples:push({ at = n * n, step = n })
  else
    while multiples[1].at == n do
      local entry = multiples:pop()
      multiples:push({ at = entry.at + entry.step, step = entry.step })
    end
  end
end
local expected = 0
for _, prime in ipairs(primes) do
  if prime <= bound then expected = expected + 1 end
end
print("again", found, expected)

-- Three queues with one behaviour ----------------------------------------------------

local function table_queue()
  local items, first, last = {}, 1, 0
  return function(value)
    last = last + 1
    items[last] = value
  end, function()
    if first > last then return nil end
    local value = items[first]
    items[first] = nil
    first = first + 1
    return value
  end
end

local function linked_queue()
  local first, last
  return function(value)
    local node = { value = value }
    if last then last.next = node else first = node end
    last = node
  end, function()
    if not first then return nil end
    local value = first.value
    first = first.next
    if not first then last = nil end
    return value
  end
end

local function two_stack_queue()
  local incoming, outgoing = {}, {}
  return function(value)
    incoming[#incoming + 1] = value
  end, function()
    if #outgoing == 0 then
      for i = #incoming, 1, -1 do
        outgoing[#outgoing + 1] = incoming[i]
        incoming[i] = nil
      end
    end
    return table.remove(outgoing)
  end
end

for _, kind in ipairs({ { "table", table_queue }, { "linked", linked_queue }, { "stacks", two_stack_queue } }) do
  local push, pop = kind[2]()
  local taken, sum, in_order, expected_next = 0, 0, true, 1
  for i = 1, size do
    push({ i })
    if i % 3 ~= 0 then
      local item = pop()
      in_order = in_order and item[1] == expected_next
      expected_next = expected_next + 1
      taken, sum = taken + 1, sum + item[1]
    end
  end
  while true do
    local item = pop()
    if not item then break end
    in_order = in_order and item[1] == expected_next
    expected_next = expected_next + 1
    taken, sum = taken + 1, sum + item[1]
  end
  print(kind[1], taken, sum, in_order, pop())
end

-- Shortest ways through a maze, breadth first ------------------------------------------

local maze = {
  "#####################",
  "#S..#.....#.........#",
  "#.#.#.###.#.#####.#.#",
  "#.#...#...#.#...#.#.#",
  "#.#####.###.#.#.#.#.#",
  "#.#...#.#...#.#...#.#",
  "#.#.#.#.#.###.#####.#",
  "#...#.......#......E#",
  "#####################",
}
local start, goal
for y, row in ipairs(maze) do
  local x = row:find("S", 1, true)
  if x then start = { x = x, y = y, steps = 0 } end
  x = row:find("E", 1, true)
  if x then goal = y * 100 + x end
end
local push, pop = linked_queue()
local seen, visited, arrived = { [start.y * 100 + start.x] = true }, 0, nil
push(start)
for at in pop do
  visited = visited + 1
  if at.y * 100 + at.x == goal then
    arrived = at
    break
  end
  for _, way in ipairs({ { 1, 0 }, { 0, 1 }, { -1, 0 }, { 0, -1 } }) do
    local x, y = at.x + way[1], at.y + way[2]
    if not seen[y * 100 + x] and maze[y]:sub(x, x) ~= "#" then
      seen[y * 100 + x] = true
      push({ x = x, y = y, steps = at.steps + 1, from = at })
    end
  end
end
print("maze", arrived.steps, "visited", visited)
local drawn = {}
for y, row in ipairs(maze) do
  drawn[y] = row
end
local at = arrived.from
while at.from do
  drawn[at.y] = drawn[at.y]:sub(1, at.x - 1) .. "*" .. drawn[at.y]:sub(at.x + 1)
  at = at.from
end
print(table.concat(drawn, "\n"))

-- Events in order of time ----------------------------------------------------------------

local seed = 8191
local function random(limit)
  seed = seed * 48271 % 2147483647
  return seed % limit + 1
end

local events = Heap.new(function(a, b)
  if a.time ~= b.time then return a.time < b.time end
  return a.serial < b.serial
end)
local serial = 0
local function schedule(time, action)
  serial = serial + 1
  events:push({ time = time, serial = serial, action = action })
end

local served, waited, busy_until = 0, 0, 0
local function customer(time)
  local starts = math.max(time, busy_until)
  waited = waited + starts - time
  busy_until = starts + random(8)
  schedule(busy_until, function() served = served + 1 end)
  if serial < size then
    schedule(time + random(9), customer)
  end
end
schedule(1, customer)
local clock, sorted, handled = 0, true, 0
for event in function() return events:pop() end do
  sorted = sorted and event.time >= clock
  clock = event.time
  event.action(clock)
  handled = handled + 1
end
print("events", handled, "served", served, "waited", waited, "clock", clock, sorted)
