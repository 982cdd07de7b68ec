-- Products, transposes and powers of matrices, over floats and over integers.
--
-- Heap stress: arrays of arrays of numbers.  There are few objects and they are
-- large, so the cost of growing an array and of scanning plain numbers shows.
--
-- Arguments: [SIZE]
--   SIZE  rows and columns of the square matrices, 60 by default

local size = tonumber((...)) or 60

local function generate(rows, columns, value)
  local matrix = {}
  for i = 1, rows do
    local row = {}
    for j = 1, columns do
      row[j] = value(i, j)
    end
    matrix[i] = row
  end
  return matrix
end

local function transpose(matrix)
  return generate(#matrix[1], #matrix, function(i, j) return matrix[j][i] end)
end

local function multiply(a, b)
  local columns, product = transpose(b), {}
  for i = 1, #a do
    local left, row = a[i], {}
    for j = 1, #columns do
      local right, sum = columns[j], 0
      for k = 1, #left do
        sum = sum + left[k] * right[k]
      end
      row[j] = sum
    end
    product[i] = row
  end
  return product
end

local function trace(matrix)
  local sum = 0
  for i = 1, #matrix do
    sum = sum + matrix[i][i]
  end
  return sum
end

local function total(matrix)
  local sum = 0
  for _, row in ipairs(matrix) do
    for _, value in ipairs(row) do
      sum = sum + value
    end
  end
  return sum
end

local function equal(a, b)
  for i, row in ipairs(a) do
    for j, value in ipairs(row) do
      if value ~= b[i][j] then
        return false
      end
    end
  end
  return #a == #b
end

local function power(matrix, exponent, modulus)
  local result = generate(#matrix, #matrix, function(i, j) return i == j and 1 or 0 end)
  local function reduced(product)
    return generate(#product, #product, function(i, j) return product[i][j] % modulus end)
  end
  while exponent > 0 do
    if exponent % 2 == 1 then
      result = reduced(multiply(result, matrix))
    end
    matrix, exponent = reduced(multiply(matrix, matrix)), exponent // 2
  end
  return result
end

-- Floats
local scale = 1.0 / size / size
local fa = generate(size, size, function(i, j) return scale * (i - j) * (i + j - 2) end)
local fb = generate(size, size, function(i, j) return scale * (i + j) * 0.5 end)
local fc = multiply(fa, fb)
local middle = size // 2 + 1
print(string.format("float centre %.9f trace %.6f total %.9f", fc[middle][middle], trace(fb), total(fc)))
print(math.type(fc[1][1]), math.type(trace(fc)))

-- Integers
local ia = generate(size, size, function(i, j) return (i * 31 + j * 17) % 101 - 50 end)
local ib = generate(size, size, function(i, j) return (i * 13 - j * 7) % 89 end)
local ic = multiply(ia, ib)
print("integer centre", ic[middle][middle], "trace", trace(ic), "total", total(ic))
print(math.type(ic[1][1]), math.type(trace(ic)))
print("transpose", equal(transpose(ic), multiply(transpose(ib), transpose(ia))))

-- Integers that overflow wrap around, so the product stays associative.
local wide = generate(8, 8, function(i, j) return (i * 0x9E3779B97F4A7C15) ~ (j << 33) end)
local left, right = multiply(multiply(wide, wide), wide), multiply(wide, multiply(wide, wide))
print("wrapping", equal(left, right), left[1][1], trace(left), total(left))

-- Shapes that are not square
local tall = generate(5, 3, function(i, j) return i + j / 4 end)
local flat = generate(3, 2, function(i, j) return i - j end)
for _, row in ipairs(multiply(tall, flat)) do
  print(table.concat(row, " "))
end

-- Fibonacci numbers by powers of a matrix
local step = { { 1, 1 }, { 1, 0 } }
for _, n in ipairs({ 1, 2, 10, 50, 90 }) do
  print("fibonacci", n, power(step, n, 1 << 62)[1][2])
end
print("modulo", power(step, 1000000, 1000000007)[1][2])

-- Gauss elimination with partial pivots, checked by multiplying back
local function solve(matrix, values)
  local n = #matrix
  local rows = generate(n, n + 1, function(i, j) return j <= n and matrix[i][j] or values[i] end)
  for column = 1, n do
    local pivot = column
    for i = column + 1, n do
      if math.abs(rows[i][column]) > math.abs(rows[pivot][column]) then
        pivot = i
      end
    end
    rows[column], rows[pivot] = rows[pivot], rows[column]
    for i = column + 1, n do
      local factor = rows[i][column] / rows[column][column]
      for j = column, n + 1 do
        rows[i][j] = rows[i][j] - factor * rows[column][j]
      end
    end
  end
  local answer = {}
  for i = n, 1, -1 do
    local sum = rows[i][n + 1]
    for j = i + 1, n do
      sum = sum - rows[i][j] * answer[j]
    end
    answer[i] = sum / rows[i][i]
  end
  return answer
end

local n = math.max(2, size // 2)
local system = generate(n, n, function(i, j) return i == j and n + i or (i * j) % 7 - 3 end)
local wanted = generate(n, 1, function(i) return i end)
local values = {}
for i, row in ipairs(multiply(system, wanted)) do
  values[i] = row[1]
end
local worst = 0
for i, value in ipairs(solve(system, values)) do
  worst = math.max(worst, math.abs(value - i))
end
print("solved", n, worst < 1e-9)
