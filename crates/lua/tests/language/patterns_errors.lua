-- Malformed patterns and the messages they give.

local patterns = {
  "(", ")", "(a", "a)", "((a)", "(a))", "[", "[]", "[a", "[^", "[^]", "[a-", "[%", "[%a", "[]a", "%", "a%",
  "%b", "%bx", "%f", "%fx", "%f[", "%f[a", "%1", "(a)%2", "%0", "(%1)", "(a(%1))", "(()%1)",
}
for _, pattern in ipairs(patterns) do
  local ok, message = pcall(function() return string.find("some text with a and (", pattern) end)
  print(string.format("%-10s", pattern), ok, message)
end

for _, pattern in ipairs({ "(", "%", "[", "%1" }) do
  print(pattern, pcall(function() return string.match("x", pattern) end))
  print(pattern, pcall(function() return string.gsub("x", pattern, "") end))
  print(pattern, pcall(function() for _ in string.gmatch("x", pattern) do end end))
end

-- Malformed text that is never reached, or is given as plain text, is no error.
print(("abc"):find("x(", 1, true), ("a(c"):find("(", 1, true), pcall(string.find, "abc", "[", 10))
print(pcall(function() return ("x"):rep(40):match(("(x)"):rep(33)) end))
print(pcall(function() return string.find() end))
print(pcall(function() return string.find("x") end))
print(pcall(function() return string.find("x", {}) end))
print(pcall(function() return string.find({}, "x") end))
print(pcall(function() return string.find("x", "x", {}) end))
print(pcall(function() return ("x"):match() end))
print(pcall(function() return ("x"):gmatch() end))
print(pcall(function() return ("x"):gsub("x") end))
print(string.find(12345, 34), string.match(1.5, "%d%.%d"), (string.gsub(112, 1, 2)))
