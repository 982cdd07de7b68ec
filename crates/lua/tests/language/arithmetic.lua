-- Arithmetic on integers and floats: results, types, wrapping and signs.

local function show(label, ...)
  local parts = {}
  for i = 1, select("#", ...) do
    local v = select(i, ...)
    if v ~= v then
      parts[i] = "not a number"
    else
      parts[i] = tostring(v) .. ":" .. (math.type(v) or type(v))
    end
  end
  print(label, table.concat(parts, "  "))
end

local max, min = math.maxinteger, math.mininteger

show("add", 1 + 2, 1 + 2.0, 1.5 + 1.5, -1 + 1, 0.1 + 0.2)
show("sub", 1 - 2, 1 - 2.0, 3 - 3, 3.0 - 3, -0.0 - 0)
show("mul", 3 * 4, 3 * 4.0, -3 * 4, 0 * -1, 0.0 * -1)
show("div", 6 / 3, 7 / 2, -7 / 2, 1 / 3, 1 / 0, -1 / 0, 0 / 0)
show("pow", 2 ^ 10, 2 ^ 0.5, 2 ^ -1, (-8) ^ (1 / 3), 10 ^ 2, 0 ^ 0)
show("neg", -5, - -5, -5.0, -0.0, -min, -max)

show("wrap", max + 1, min - 1, max * 2, min * -1, max * max, min * min)
show("max", max, min, max + 0.0, min + 0.0)
show("max is min - 1", max + 1 == min, min - 1 == max)

for _, pair in ipairs({ { 7, 3 }, { -7, 3 }, { 7, -3 }, { -7, -3 }, { 6, 3 }, { -6, 3 }, { 0, 5 }, { 0, -5 } }) do
  local a, b = pair[1], pair[2]
  show(a .. " " .. b, a // b, a % b, (a + 0.0) // b, (a + 0.0) % b, a // b * b + a % b)
end
for _, pair in ipairs({ { 5.5, 2 }, { -5.5, 2 }, { 5.5, -2 }, { -5.5, -2 }, { 1e308, 1e-308 }, { 5.3, 0.1 } }) do
  local a, b = pair[1], pair[2]
  show(a .. " " .. b, a // b, a % b)
end
local inf = math.huge
show("inf", 5 % inf, -5 % inf, 5 % -inf, -5 % -inf, inf % 5, 5 // inf, -5 // inf, inf // 1, inf - inf, inf * 0)
show("zero", 5.0 // 0, -5.0 // 0, 0.0 / -1, 5 % 0.0, 5.0 % 0, 1 / (0.0 * -1))
show("extreme", min // -1, min % -1, max // -1, min // 1, max % min, min % max, max // min, min // max)

print("integer //0", pcall(function() return 1 // 0 end))
print("integer %0", pcall(function() return 1 % 0 end))
local zero = 0
print("integer //z", pcall(function() return 1 // zero end))
print("integer %z", pcall(function() return min % zero end))

-- Priorities and grouping
show("priority", 2 + 3 * 4 ^ 2 / 2, -2 ^ 2, 2 ^ -2, 2 ^ 3 ^ 2, (2 ^ 3) ^ 2, 7 - 3 - 2, 100 / 10 / 2, 7 // 2 * 2, -3 % 5)
show("mixed", 1 + 2 < 4, not 1 == 2, not (1 == 2), -2 * -2, #"abc" + 1, -#"abc")
show("bits", 1 << 2 + 1, 1 | 2 ~ 3 & 5, 6 & 3 | 8)

-- Folded constants and values known only at run time agree.
local function id(x) return x end
show("folded", 7 // 2 == id(7) // id(2), -7 % 3 == id(-7) % id(3), 2 ^ 53 == id(2) ^ id(53), 1 / 3 == id(1) / id(3))

-- Running sums
local isum, fsum = 0, 0.0
for i = 1, 1000 do
  isum = isum + i * i
  fsum = fsum + 1 / i
end
show("sums", isum, fsum)
local product = 1
for i = 1, 25 do product = product * i end
show("25! wrapped", product)
local fproduct = 1.0
for i = 1, 25 do fproduct = fproduct * i end
show("25! float", fproduct)
