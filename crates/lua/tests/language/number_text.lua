-- How numbers turn into text.

local values = {
  0, -0, 1, -1, 123456789, 1e15, 1e14, 1e16, 1e100, -1e100, 1e-5, 1e-4, 0.1, 0.5, 1 / 3, 2 / 3, 100.0, 1e2, 1e3,
  123456.789, 3.14159265358979, 1e300 * 1e10, -1e300 * 1e10, 2 ^ 53, 2 ^ 63, -2 ^ 63, 2 ^ 24, 5e-324,
  1.7976931348623157e308, 0.1 + 0.2, 1e15 + 0.5, 99999999999999.9, 999999999999999.9, 12345678901234567890,
  -1.5e-10, 1e21, 123e-7, 0x10, 0xA.8p0, 0x1p-2, 0x.1p4, -0.0, 0.0, 3.0, -3.0, 1e0, 255 // 1, 255 // 1.0,
  math.maxinteger, math.mininteger, math.maxinteger + 0.0, math.pi, -math.pi, math.huge, -math.huge,
}
for i, v in ipairs(values) do
  print(i, v, tostring(v), "" .. v, math.type(v), #tostring(v))
end

io.write(1, " ", 1.0, " ", -0.0, " ", 1e100, " ", 2 ^ 31, " ", 2 ^ 31 | 0, "\n")
print(1 .. "", 1.0 .. "", -1 .. "", 2 ^ 10 .. "", 10 // 2 .. "", 10 / 2 .. "")
print(table.concat({ 1, 2.0, 3.5, "x", -4 }, " "))
print(string.format("%s %s %s", 1, 1.0, 1e20), ("x"):rep(3, 1), ("%d"):format(3.0))
