-- Comparing numbers of both kinds, strings, and values of unlike types.

local max, min = math.maxinteger, math.mininteger
local p53, p63 = 2 ^ 53, 2 ^ 63
local nan = 0 / 0

local function grid(label, list)
  print(label)
  for i, a in ipairs(list) do
    local row = {}
    for j, b in ipairs(list) do
      row[j] = (a == b and "=" or "-") .. (a < b and "<" or "-") .. (a <= b and "L" or "-")
        .. (a > b and ">" or "-") .. (a >= b and "G" or "-") .. (a ~= b and "~" or "-")
    end
    print(i, table.concat(row, " "))
  end
end

grid("small", { 0, -0.0, 1, 1.0, 1.5, -1, -1.5 })
grid("2^53", { (1 << 53) - 1, 1 << 53, (1 << 53) + 1, p53 - 1, p53, p53 + 2 })
grid("2^63", { max, max - 1, max + 0.0, p63, -p63, min, min + 1, min + 0.0, p63 * 2, -p63 * 2 })
grid("huge", { math.huge, -math.huge, max, min, 0, nan })
grid("halves", { max - 0.5, 1e308, 0.5, -0.5, 5e-324, 0 })
grid("strings", { "", "a", "A", "aa", "b", "10", "9", "a\0", "a\0b", "\255" })

print("unlike", 1 == "1", "1" == 1, nil == false, 0 == false, "" == false, {} == {}, print == print)
print("through keys", ({ [1] = "a" })[1.0], ({ [2 ^ 53] = "b" })[1 << 53], ({ [1.5] = "c" })[1.5])
print("rawequal", rawequal(1, 1.0), rawequal("a", "a"), rawequal(nan, nan), rawequal(0, -0.0), rawequal({}, {}))

local function try(f)
  local ok, message = pcall(f)
  print(ok, message)
end
try(function() return 1 < "2" end)
try(function() return "1" < 2 end)
try(function() return {} < {} end)
try(function() return nil < 1 end)
try(function() return 1 <= nil end)
try(function() return true > false end)
try(function() return print >= 1 end)
try(function() return {} < 1 end)

-- Constants on either side, where special instructions may be used
local x, y = 5, 5.5
print(x < 5, x <= 5, x > 5, x >= 5, x == 5, x ~= 5, 5 < x, 5 <= x, 5 > x, 5 >= x)
print(y < 5, y <= 5.5, y > 5, y >= 5.5, y == 5.5, y ~= 5.5, 5 < y, 5.5 <= y, 6 > y, 5.5 >= y)
print(x < 5.0, x <= 4.9, x > 4.9, x >= 5.1, x == 5.0, x < 100000, x > -100000, -100000 < x)
print(nan < 1, nan > 1, nan == nan, nan ~= nan, 1 < nan, not (nan < 1), not (nan >= 1))
print(math.max(1, 2.5, -1), math.min(1, 2.5, -1), math.max(2, 2.0), math.max(2.0, 2), math.ult(1, -1), math.ult(-1, 1))
