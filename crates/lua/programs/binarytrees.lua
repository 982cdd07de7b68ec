-- Builds and walks full binary trees of several depths.
--
-- One tall tree is built and dropped, one is kept to the end, and in between
-- many short-lived trees of growing depth are built, counted and dropped.
--
-- Heap stress: allocation rate, deep marking, and long-lived data that every
-- full collection has to trace again.
--
-- Arguments: [DEPTH]
--   DEPTH  depth of the deepest of the short-lived trees, 12 by default

local function bottom_up(depth)
  if depth == 0 then
    return {}
  end
  depth = depth - 1
  local left, right = bottom_up(depth), bottom_up(depth)
  return { left, right }
end

local function count(tree)
  local left = tree[1]
  if left then
    return 1 + count(left) + count(tree[2])
  end
  return 1
end

local least = 4
local most = math.max(least + 2, tonumber((...)) or 12)

print(string.format("stretch tree of depth %d\t check: %d", most + 1, count(bottom_up(most + 1))))

local kept = bottom_up(most)

for depth = least, most, 4 do
  local rounds = 1 << (most - depth + least)
  local check = 0
  for _ = 1, rounds do
    check = check + count(bottom_up(depth))
  end
  print(string.format("%d\t trees of depth %d\t check: %d", rounds, depth, check))
end

print(string.format("long lived tree of depth %d\t check: %d", most, count(kept)))
