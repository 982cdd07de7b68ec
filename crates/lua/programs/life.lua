-- Conway's game of life, on strings and on sparse tables.
--
-- A glider gun and a random soup are run on a torus, once with every generation
-- as an array of strings and once with only the live cells in a table keyed by
-- position.  Both must agree on every generation.
--
-- Heap stress: every generation is built from nothing and replaces the one
-- before it, so that all the data is short-lived and of the same few sizes.
--
-- Arguments: [GENERATIONS]
--   GENERATIONS  how many generations to run, 40 by default

local generations = tonumber((...)) or 40
local width, height = 48, 24

-- Rows of characters --------------------------------------------------------------

local function step_rows(rows)
  local made = {}
  for y = 1, height do
    local above, row, below = rows[(y - 2) % height + 1], rows[y], rows[y % height + 1]
    local cells = {}
    for x = 1, width do
      local left, right = (x - 2) % width + 1, x % width + 1
      local near = above:sub(left, left) .. above:sub(x, x) .. above:sub(right, right)
        .. row:sub(left, left) .. row:sub(right, right)
        .. below:sub(left, left) .. below:sub(x, x) .. below:sub(right, right)
      local _, live = near:gsub("#", "")
      cells[x] = (live == 3 or live == 2 and row:sub(x, x) == "#") and "#" or "."
    end
    made[y] = table.concat(cells)
  end
  return made
end

-- Live cells only -------------------------------------------------------------------

local function step_cells(cells)
  local near = {}
  for key in pairs(cells) do
    local y, x = key // width, key % width
    for dy = -1, 1 do
      for dx = -1, 1 do
        if dy ~= 0 or dx ~= 0 then
          local other = (y + dy) % height * width + (x + dx) % width
          near[other] = (near[other] or 0) + 1
        end
      end
    end
  end
  local made = {}
  for key, count in pairs(near) do
    if count == 3 or count == 2 and cells[key] then
      made[key] = true
    end
  end
  return made
end

local function to_cells(rows)
  local cells = {}
  for y, row in ipairs(rows) do
    for x in row:gmatch("()#") do
      cells[(y - 1) * width + x - 1] = true
    end
  end
  return cells
end

local function population(rows)
  local sum = 0
  for _, row in ipairs(rows) do
    sum = sum + select(2, row:gsub("#", ""))
  end
  return sum
end

local function agree(rows, cells)
  local count = 0
  for key in pairs(cells) do
    local y, x = key // width + 1, key % width + 1
    if rows[y]:sub(x, x) ~= "#" then return false end
    count = count + 1
  end
  return count == population(rows)
end

local function checksum(rows)
  local sum = 0
  for _, row in ipairs(rows) do
    for x in row:gmatch("()#") do
      sum = (sum * 48 + x) % 2147483647
    end
  end
  return sum
end

local function pad(rows)
  local padded = {}
  for y = 1, height do
    local row = rows[y] or ""
    padded[y] = row .. ("."):rep(width - #row)
  end
  return padded
end

local function run(label, rows)
  local cells = to_cells(rows)
  print(label, "start", population(rows), checksum(rows))
  for generation = 1, generations do
    rows, cells = step_rows(rows), step_cells(cells)
    if not agree(rows, cells) then
      print(label, "the two ways differ at generation", generation)
      return
    end
    if generation % 10 == 0 then
      print(label, generation, population(rows), checksum(rows))
    end
  end
  print(table.concat(rows, "\n"))
end

run("gun", pad({
  "",
  ".........................#",
  ".......................#.#",
  ".............##......##............##",
  "............#...#....##............##",
  ".##........#.....#...##",
  ".##........#...#.##....#.#",
  "...........#.....#.......#",
  "............#...#",
  ".............##",
}))

local seed, soup = 2024, {}
for y = 1, height do
  local row = {}
  for x = 1, width do
    seed = seed * 48271 % 2147483647
    row[x] = seed % 3 == 0 and "#" or "."
  end
  soup[y] = table.concat(row)
end
run("soup", soup)
