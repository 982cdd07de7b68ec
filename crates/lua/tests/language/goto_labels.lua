-- goto: loops, continue, nested blocks, and what the compiler refuses.

local out = {}
local function add(v) out[#out + 1] = tostring(v) end
local function flush(label) print(label, table.concat(out, " ")); out = {} end

do
  local i = 1
  ::top::
  add(i)
  i = i + 1
  if i <= 5 then goto top end
end
flush("backward")

for i = 1, 6 do
  if i % 2 == 0 then goto continue end
  add(i)
  ::continue::
end
flush("continue")

for i = 1, 3 do
  for j = 1, 3 do
    if j == 2 then goto next_i end
    if i == 3 then goto done end
    add(i .. j)
  end
  ::next_i::
end
::done::
flush("nested")

do
  goto skip
  add("never")
  ::skip::
  add("after")
end
flush("forward")

while true do
  repeat
    if #out == 3 then goto out_of_both end
    add("r")
  until false
end
::out_of_both::
flush("out of both")

do
  local x = 1
  do goto inner end
  x = 2
  ::inner::
  add(x)
end
flush("from block")

-- The same name in different functions and in blocks that do not nest
do ::name:: end
do ::name:: end
local function f() goto name; add("skipped"); ::name:: add("f") end
f()
flush("same name")

-- A label at the end of a block sees no local: void statements may follow.
do
  goto last
  local y = 1
  add(y)
  ::last:: ;;;
end
do
  goto e1
  local z
  ::e1:: ::e2::
end
flush("end of block")

-- Closures made before a backward jump keep their own variables.
local closures = {}
do
  local n = 0
  ::again::
  local mine = n
  closures[#closures + 1] = function() mine = mine + 1; return mine end
  n = n + 10
  if n < 30 then goto again end
end
for _, closure in ipairs(closures) do add(closure()); add(closure()) end
flush("closures")

-- A state machine
local input, at, state = "aabbc", 1, nil
do
  ::state_a::
  if input:sub(at, at) == "a" then at = at + 1; add("a"); goto state_a end
  ::state_b::
  if input:sub(at, at) == "b" then at = at + 1; add("b"); goto state_b end
  if input:sub(at, at) == "c" then goto state_c end
  goto fail
end
::state_c:: add("c!") goto finish
::fail:: add("fail")
::finish::
flush("machine")

-- to-be-closed variables are closed by a jump.
do
  local n = 0
  ::retry::
  do
    local guard <close> = setmetatable({}, { __close = function() add("close" .. n) end })
    n = n + 1
    if n < 3 then goto retry end
    add("body")
  end
end
flush("closing")

-- goto is no name, but it may follow anything.
local t = { ["goto"] = 1 }
print(t["goto"])

local function try(source)
  local chunk, message = load(source, "=src")
  print(chunk and "compiled" or message)
end
try("goto nowhere")
try("::a:: ::a::")
try("do ::a:: end goto a")
try("goto a; local x; ::a:: print(x)")
try("goto a; local x; ::a::")
try("::a:: do ::a:: end")
try("repeat goto c; local x; ::c:: until x")
try("break")
try("if true then break end")
try("for i = 1, 2 do local function f() break end end")
try("goto = 1")
try("local goto = 1")
try("::x")
try("goto 5")
try("::5::")
try("do goto a end; do ::a:: end")
try("while true do goto continue end ::continue::")
