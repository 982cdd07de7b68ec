-- A grid of string.format.

local function grid(specs, values)
  for _, spec in ipairs(specs) do
    local row = {}
    for i, value in ipairs(values) do
      local ok, text = pcall(string.format, spec, value)
      row[i] = ok and "[" .. text .. "]" or "error"
    end
    print(spec, table.concat(row, " "))
  end
end

grid({ "%d", "%5d", "%-5d", "%05d", "%+d", "% d", "%.3d", "%8.3d", "%i" }, { 0, 1, -1, 42, -12345, 3.0, "7" })
grid({ "%x", "%X", "%#x", "%o", "%#o", "%08x", "%-8x" }, { 0, 1, 65, 100, 65535 })
grid({ "%c", "%5c", "%-5c" }, { 65, 100.0, "35", 126 })
grid({ "%x", "%o", "%d" }, { -1, math.maxinteger, math.mininteger })
grid({ "%f", "%.0f", "%.1f", "%.3f", "%10.2f", "%-10.2f", "%010.2f", "%+.1f", "% .1f", "%#.0f", "%.14f" },
  { 0, 1, -1, 0.5, 1.5, 2.5, 3.14159, -2.71828, 1e10, 123456.789, 1 / 3 })
grid({ "%e", "%.0e", "%.3e", "%E", "%12.2e", "%-12.2e", "%+e", "%#.0e" }, { 0, 1, -1, 0.5, 12345.678, 1e100, 1e-100 })
grid({ "%g", "%.3g", "%.10g", "%G", "%10g", "%-10g", "%+g", "%#g", "%.0g", "%.17g", "%.14g" },
  { 0, 1, -1, 0.5, 100000, 1000000, 1e15, 1e16, 0.0001, 0.00001, 123456789, 1 / 3, 0.1, 1e300 })
grid({ "%f", "%g", "%e", "%5.1f", "%-6g", "%+f", "%.3f" }, { math.huge, -math.huge })
grid({ "%a", "%.2a", "%A", "%20a", "%.0a" }, { 0, 1, -1, 0.5, 3.0, 1 / 3, 1e300, 2 ^ -1074 })
grid({ "%s", "%10s", "%-10s", "%.2s", "%5.1s", "%-5.3s", "%.0s" }, { "", "a", "hello", 12, 1.5, true })
print(string.format("%s %s", nil, false), string.format("%10s|%-7s|", nil, true), string.format("%.1s", "éa") == "\xC3")

print("%q")
for _, v in ipairs({ "plain", 'quote " inside', "back \\ slash", "new\nline", "cr\rnul\0one\1", "\0001", "\200é", "tab\t", "" }) do
  print(string.format("%q", v))
end
print(string.format("%q %q %q %q", 1, -5, true, false), string.format("%q", nil))
print(string.format("%q %q %q", 0.5, 1e100, 3.0), string.format("%q %q", math.huge, -math.huge))
print(string.format("%q %q", math.mininteger, math.maxinteger))
print(load("return " .. string.format("%q", "a\n\0\1\"\\\r2"))() == "a\n\0\1\"\\\r2")
print(load("return " .. string.format("%q", 1 / 3))() == 1 / 3)

print("mixed")
print(string.format("%%"), string.format("100%%"), string.format("%d%%", 5), string.format(""), string.format("plain"))
print(string.format("%d %s %5.2f %x %c", 1, "two", 3, 4, 53))
print(string.format("%-5s|%5s|%05d|%+5d|% d", "ab", "cd", 42, 42, 42))
print(string.format("%s", setmetatable({}, { __tostring = function() return "made up" end })))
print(string.format("%5s|%-9s|", setmetatable({}, { __tostring = function() return "abc" end }), "x"))
print((string.format("%s %s", {}, print):gsub("0x%x+", "PTR"):gsub("builtin: ", "")))
print(string.format("%c%c%c", 76, 117, 97), #string.format("%c", 0), string.format("%5c|%-5c|", 65, 66))
print(string.format("a\0b%sc", "\0") == "a\0b\0c", #string.format("%s", ("x"):rep(1000)))
print(#string.format("%99d", 1), #string.format("%.99f", 1), #string.format("%99.50f", 1 / 3))
print(string.format("%s %s %s", 1, 1.0, "1"), string.format("%d", "10"), string.format("%.1f", "1.25"))

print("errors")
local function try(...)
  local arguments = table.pack(...)
  local ok, message = pcall(function() return string.format(table.unpack(arguments, 1, arguments.n)) end)
  print(ok, message)
end
try("%d")
try("%d", "x")
try("%d", 1.5)
try("%d", {})
try("%s")
try("%f", "x")
try("%x", 1.5)
try("%x", "0x1p4")
try("%y", 1)
try("%")
try("%5")
try("%100d", 1)
try("%.100f", 1)
try("%0100d", 1)
try("%#s", "x")
try("%q", {})
try("%5q", "x")
try("%s", setmetatable({}, { __tostring = function() return 1 end }))
