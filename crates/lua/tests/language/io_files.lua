-- Files: writing, the formats of read, lines, seek, modes, and errors.
-- The files are made in the folder that TMPDIR names, or in /tmp.

local folder = os.getenv("TMPDIR") or "/tmp"
local path = folder .. "/lua-language-io.txt"
local absent = folder .. "/lua-language-no-such-folder/file.txt"
local function plain(message)
  return (tostring(message):gsub(folder:gsub("%p", "%%%0"), "TMP"):gsub("0x%x+", "PTR"))
end
local function report(...)
  local out = table.pack(...)
  for i = 1, out.n do out[i] = plain(out[i]) end
  print(table.concat(out, " | "))
end
local function put(text)
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
end
local function get()
  local file = assert(io.open(path, "rb"))
  local text = file:read("a")
  file:close()
  return text
end

print("write")
local file = assert(io.open(path, "w"))
print(file:write("one\n", 2, " ", 3.5, "\n") == file, file:write() == file)
print(file:write("tail") == file, file:close())
print((get():gsub("\n", "/")))
report(file)
report(pcall(function() file:write("x") end))
report(pcall(function() file:read() end))
report(pcall(function() file:close() end))
report(pcall(function() file:lines() end))
report(pcall(function() return file:seek() end))

print("read formats")
put("first line\nsecond line\n\nfourth 42 0x1F -7.5e1 nope\nlast")
file = io.open(path)
print(file:read())
print(file:read("l"))
print("[" .. file:read("L") .. "]")
print(file:read(6), file:read("n"), file:read("n"), file:read("n"), file:read("n"))
print(file:read("l"))
print("[" .. file:read("a") .. "]", "[" .. file:read("a") .. "]", file:read("l"), file:read("L"), file:read(1), file:read(0), file:read("n"))
file:close()
file = io.open(path)
print(file:read("l", "L", 3, "a"))
file:close()
file = io.open(path)
print(file:read(0), file:read(3), file:read(0), #file:read(100), file:read(0), file:read(5))
file:close()
file = io.open(path)
print(file:read("*l"), file:read("*L"), #file:read("*a"))
file:close()
put("")
file = io.open(path)
print(file:read("a"), file:read("l"), file:read(0), file:read("n"))
file:close()
put("no newline at the end")
file = io.open(path)
print(file:read("L"), file:read("L"))
file:close()
put("a\r\nb\0c\n\n")
file = io.open(path)
print(#file:read("l"), #file:read("L"), #file:read("l"), file:read("l"))
file:close()
report(pcall(function() local f <close> = io.open(path); return f:read("x") end))
report(pcall(function() local f <close> = io.open(path); return f:read({}) end))

print("numbers")
put("1 -2 +3 4.5 .5 5. 1e3 1e-2 0x10 0xA.8p1 0x 99999999999999999999 1e 12abc")
file = io.open(path)
for _ = 1, 10 do
  local n = file:read("n")
  io.write(tostring(n), ":", tostring(math.type(n)), " ")
end
print()
print(file:read("n"), file:read("l"))
file:close()
put("  \n\t 7\n8")
file = io.open(path)
print(file:read("n", "n", "n"))
file:close()

print("lines")
put("a\nb\n\nc")
for line in io.lines(path) do io.write("[", line, "]") end
print()
for line in io.lines(path, "L") do io.write("[", (line:gsub("\n", "/")), "]") end
print()
for a, b in io.lines(path, 1, 1) do io.write("[", a:byte(), ",", tostring(b and b:byte()), "]") end
print()
file = io.open(path)
for line in file:lines() do io.write("[", line, "]") end
print(file:read())
file:seek("set")
for text in file:lines(2) do io.write("[", (text:gsub("\n", "/")), "]") end
print()
file:close()
put("1 2\n3")
file = io.open(path)
for n in file:lines("n") do io.write(n, ";") end
print()
file:close()
for line in io.lines(path) do if line == "1 2" then break end end
report(pcall(function() for _ in io.lines(absent) do end end))
local it = io.lines(path)
print(it(), it(), it())
report(pcall(it))
print(select("#", io.lines(path)))

print("seek")
put("0123456789")
file = io.open(path)
print(file:seek(), file:seek("end"), file:seek("set"), file:seek("set", 3), file:read(2), file:seek("cur"), file:seek("cur", -1), file:read(1))
print(file:seek("end", -2), file:read("a"), file:seek("cur", 0))
report(file:seek("set", -1))
report(pcall(function() file:seek("nonsense") end))
file:close()

print("modes")
put("start\n")
file = io.open(path, "a")
file:write("appended\n")
file:close()
print((get():gsub("\n", "/")))
file = io.open(path, "r+")
file:write("START")
file:seek("set", 0)
print(file:read("l"))
file:close()
print((get():gsub("\n", "/")))
file = io.open(path, "w+")
file:write("new text")
file:seek("set")
print(file:read("a"))
file:close()
file = io.open(path, "a+")
file:write("!")
file:seek("set")
print(file:read("a"))
file:close()
file = io.open(path, "rb")
print(file:read("a"), select("#", file:write("x")), (file:write("x")))
file:close()
file = io.open(path, "w")
print((file:read("a")))
file:close()
print(#get())
for _, mode in ipairs({ "x", "rw", "r+b+", "", "br", "+r" }) do report(mode, pcall(function() io.open(path, mode) end)) end

print("missing files")
report(io.open(absent))
report(io.open(absent, "w"))
report(io.open(absent, "r+"))
report(select("#", io.open(absent)))
report(pcall(assert, io.open(absent)))
report(pcall(io.lines, absent))
report(pcall(dofile, absent))

print("large")
local parts = {}
for i = 1, 5000 do parts[i] = "line number " .. i end
put(table.concat(parts, "\n") .. "\n")
local count, total = 0, 0
for line in io.lines(path) do
  count, total = count + 1, total + #line
end
print(count, total, #get())
file = io.open(path)
local blocks = 0
while true do
  local block = file:read(4096)
  if not block then break end
  blocks = blocks + 1
end
print(blocks)
file:close()
put(("x"):rep(100000) .. "\n" .. ("y"):rep(70000))
file = io.open(path)
print(#file:read("l"), #file:read("l"), file:read("l"))
file:close()
local bytes = {}
for i = 0, 255 do bytes[i + 1] = string.char(i) end
put(table.concat(bytes))
print(get() == table.concat(bytes))

print("close by scope, dofile")
do
  local f <close> = io.open(path, "w")
  f:write("local a, b = ...\nloaded = (loaded or 0) + 1\nreturn 'from file', loaded, a")
end
print(dofile(path))
print(dofile(path))
put("#!/usr/bin/lua\nreturn 'after a first line with a hash'")
print(dofile(path))
put("x = = 1")
report(pcall(dofile, path))
put("\n\nerror('in file')")
report(pcall(dofile, path))
put("error('level 2', 2)")
report(pcall(dofile, path))

print("standard files")
print(type(io.stdout), type(io.stdin), type(io.stderr), io.stdout == io.stdout)
print(io.write("") == io.stdout, io.stdout:write("written ", 1, " ", "\n") == io.stdout)
print(io.read("l"), io.read("a"), io.read("n"), io.stdin:read("l"))
report(pcall(function() io.stdout.write() end))
report(pcall(function() io.write({}) end))
report(pcall(function() io.stdout:write(nil) end))
print(tostring(io.stdout):match("^file %("), getmetatable(io.stdout).__name, type(getmetatable(io.stdout).__index))
if os.remove then os.remove(path) end
