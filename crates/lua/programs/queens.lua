-- Places N queens on an N by N board in every way that works.
--
-- Solved twice: by backtracking over an array, and by building every partial
-- board as an immutable linked list.  The two counts must agree.
--
-- Heap stress: the second way allocates a cell per attempt, and cells are
-- shared between boards, so that what is alive is a tree of suffixes.
--
-- Arguments: [N]
--   N  the size of the board, 8 by default

local size = tonumber((...)) or 8

-- Backtracking over one array of columns.
local columns, solutions, first_solution = {}, 0, nil

local function is_safe(row, column)
  for other = 1, row - 1 do
    local taken = columns[other]
    if taken == column or math.abs(taken - column) == row - other then
      return false
    end
  end
  return true
end

local function place(row)
  if row > size then
    solutions = solutions + 1
    first_solution = first_solution or table.concat(columns, " ")
    return
  end
  for column = 1, size do
    if is_safe(row, column) then
      columns[row] = column
      place(row + 1)
    end
  end
end

place(1)

-- Level by level over linked lists: every element of `boards` is one board.
local function fits(board, column)
  local distance = 1
  while board do
    local taken = board.column
    if taken == column or taken - column == distance or column - taken == distance then
      return false
    end
    board, distance = board.rest, distance + 1
  end
  return true
end

local boards, widest = { false }, 0
for _ = 1, size do
  local grown = {}
  for _, board in ipairs(boards) do
    for column = 1, size do
      if fits(board, column) then
        grown[#grown + 1] = { column = column, rest = board }
      end
    end
  end
  boards = grown
  widest = math.max(widest, #boards)
end

print("size", size)
print("solutions", solutions, #boards)
print("widest level", widest)
print("first", first_solution)
if first_solution then
  for row in first_solution:gmatch("%d+") do
    local at = tonumber(row)
    print(("."):rep(at - 1) .. "Q" .. ("."):rep(size - at))
  end
end
