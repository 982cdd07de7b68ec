-- A least-recently-used cache over a doubly linked list and a table.
--
-- The cache is driven by a skewed stream of keys, and its contents are checked
-- at the end against a slow cache that keeps its entries in a plain array.
--
-- Heap stress: a cyclic structure under steady churn.  Old entries are written
-- to all the time, new entries are linked next to them, and dead entries still
-- point at live ones.
--
-- Arguments: [REQUESTS] [CAPACITY]
--   REQUESTS  length of the key stream, 40000 by default
--   CAPACITY  entries the cache holds, 500 by default

local requests = tonumber((...)) or 40000
local capacity = tonumber((select(2, ...))) or 500

local Cache = {}
Cache.__index = Cache

function Cache.new(limit)
  local head = {}
  head.next, head.prev = head, head
  return setmetatable({ limit = limit, size = 0, slots = {}, head = head, evicted = 0 }, Cache)
end

local function unlink(entry)
  entry.prev.next, entry.next.prev = entry.next, entry.prev
end

function Cache:push_front(entry)
  local head = self.head
  entry.prev, entry.next = head, head.next
  head.next.prev = entry
  head.next = entry
end

function Cache:get(key)
  local entry = self.slots[key]
  if not entry then
    return nil
  end
  unlink(entry)
  self:push_front(entry)
  return entry.value
end

function Cache:put(key, value)
  local entry = self.slots[key]
  if entry then
    unlink(entry)
    entry.value = value
  else
    if self.size == self.limit then
      local oldest = self.head.prev
      unlink(oldest)
      self.slots[oldest.key] = nil
      self.evicted = self.evicted + 1
      self.size = self.size - 1
    end
    entry = { key = key, value = value }
    self.slots[key] = entry
    self.size = self.size + 1
  end
  self:push_front(entry)
end

function Cache:remove(key)
  local entry = self.slots[key]
  if entry then
    unlink(entry)
    self.slots[key] = nil
    self.size = self.size - 1
    return entry.value
  end
end

function Cache:each()
  local head = self.head
  return function(_, entry)
    local following = (entry or head).next
    if following ~= head then
      return following
    end
  end
end

local seed = 4711
local function random(limit)
  seed = seed * 48271 % 2147483647
  return seed % limit + 1
end

-- Small keys are asked for far more often than large ones.
local function skewed_key()
  local spread = random(20) == 1 and 20 * capacity or random(3) == 1 and 3 * capacity or capacity
  return "item-" .. random(spread)
end

local cache = Cache.new(capacity)
local hits, misses, removed, sum = 0, 0, 0, 0
for request = 1, requests do
  local key = skewed_key()
  local value = cache:get(key)
  if value then
    hits = hits + 1
    sum = (sum + value.serial) % 1000000007
  else
    misses = misses + 1
    cache:put(key, { serial = request, text = key .. "@" .. request })
  end
  if request % 97 == 0 and cache:remove(skewed_key()) then
    removed = removed + 1
  end
end

print("requests", requests, "hits", hits, "misses", misses)
print("evicted", cache.evicted, "removed", removed, "size", cache.size)
print("sum", sum)

local forward, newest = 0, nil
for entry in cache:each() do
  newest = newest or entry
  forward = forward + 1
  assert(cache.slots[entry.key] == entry)
  assert(entry.next.prev == entry and entry.prev.next == entry)
  assert(entry.value.text == entry.key .. "@" .. entry.value.serial)
end
local backward, at = 0, cache.head.prev
while at ~= cache.head do
  backward, at = backward + 1, at.prev
end
local slots = 0
for _ in pairs(cache.slots) do slots = slots + 1 end
print("walks", forward, backward, slots)
print("newest", newest.key, newest.value.serial, "oldest", cache.head.prev.key, cache.head.prev.value.serial)

-- The same rules over a plain array, oldest first, for a shorter stream.
local fast, slow = Cache.new(20), {}
for request = 1, 2000 do
  local key = random(60)
  if not fast:get(key) then
    fast:put(key, request)
  end
  local found
  for i, known in ipairs(slow) do
    if known == key then
      found = i
      break
    end
  end
  if found then
    table.remove(slow, found)
  elseif #slow == 20 then
    table.remove(slow, 1)
  end
  slow[#slow + 1] = key
end
local agree, rank = 0, #slow
for entry in fast:each() do
  if entry.key == slow[rank] then
    agree = agree + 1
  end
  rank = rank - 1
end
print("agree", agree, "of", #slow)
