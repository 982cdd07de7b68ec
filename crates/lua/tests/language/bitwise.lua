-- Bitwise operators on integers, floats and strings.

local max, min = math.maxinteger, math.mininteger
print(5 & 3, 5 | 3, 5 ~ 3, ~5, ~0, ~-1)
print(0xFF & 0x0F, 0xF0 | 0x0F, 0xFF ~ 0x0F, ~0xFF)
print(1 << 0, 1 << 1, 1 << 62, 1 << 63, 1 << 64, 1 << 100, 1 << -1, 2 << -1)
print(-1 >> 0, -1 >> 1, -1 >> 63, -1 >> 64, -1 >> -1, -1 >> -64, 256 >> 4, 256 >> -4)
print(min >> 63, min << 1, max << 1, max >> 62, -1 << 63, 3 << min, 3 >> max)
print(max & min, max | min, max ~ min, -1 & max, -1 ~ max)
print(2.0 & 3, 7 | 8.0, 2 ^ 53 | 0, 1e3 ~ 1, ~2.0, 1 << 2.0, -0.0 | 0)
print(1 | 2 ~ 3 & 4, (1 | 2) ~ 3 & 4, 1 << 2 + 3, 1 + 2 << 3)

local function try(f)
  local ok, message = pcall(f)
  print(ok, message)
end
local half, big, text, tab, none = 1.5, 2 ^ 63, "x", {}, nil
try(function() return 1.5 | 1 end)
try(function() return half & 1 end)
try(function() return 1 & big end)
try(function() return big << 1 end)
try(function() return 1 | "1.5" end)
try(function() return "3" & 5 end)
try(function() return 1 << "2" end)
try(function() return ~"1" end)
try(function() return text | 1 end)
try(function() return 1 ~ "abc" end)
try(function() return tab & 1 end)
try(function() return 1 >> tab end)
try(function() return ~none end)
try(function() return ~half end)
try(function() return true | 1 end)
try(function() return 1 << math.huge end)
try(function() return 1 & 0 / 0 end)

-- Counting and mixing bits
local function count(n)
  local bits = 0
  while n ~= 0 do
    n = n & n - 1
    bits = bits + 1
  end
  return bits
end
print(count(0), count(1), count(255), count(-1), count(max), count(min))
local hash = 0
for i = 1, 100 do
  hash = hash ~ (hash << 5) + (hash >> 2) + i
end
print(hash, string.format("%x", hash), hash & 0xFFFFFFFF)
local state = 88172645463325252
for _ = 1, 20 do
  state = state ~ state << 13
  state = state ~ state >> 7
  state = state ~ state << 17
end
print(state)
