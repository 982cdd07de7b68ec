-- os.time, os.clock and os.getenv: only what does not depend on the moment.

print(math.type(os.time()), os.time() > 1000000000, os.time() <= os.time())
print(math.type(os.clock()), os.clock() >= 0)
local before = os.clock()
local n = 0
for i = 1, 20000 do n = n + i end
print(os.clock() >= before, n)
print(os.getenv("A_VARIABLE_THAT_NOBODY_SETS"), type(os.getenv("PATH")))
print(pcall(function() os.getenv() end))
print(select("#", os.getenv("A_VARIABLE_THAT_NOBODY_SETS")), select("#", os.time()), select("#", os.clock()))
