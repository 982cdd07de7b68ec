-- A small language: tokens by string patterns, a parser, and an evaluator.
--
-- The language has numbers, strings, variables, functions, conditionals and
-- loops.  A program is parsed to a tree, the tree is folded, printed and run.
--
-- Heap stress: trees of small tables with shared and dead branches, closures
-- made per function of the small language, and chains of scope tables.
--
-- Arguments: [LIMIT]
--   LIMIT  how far the sample programs count, 300 by default

local limit = tonumber((...)) or 300

-- Tokens ------------------------------------------------------------------------

local keywords = {}
for word in ("let fn if then else end while do print return and or not true false nil"):gmatch("%a+") do
  keywords[word] = true
end

local function tokenise(source)
  local tokens, at, line = {}, 1, 1
  local function add(kind, text)
    tokens[#tokens + 1] = { kind = kind, text = text, line = line }
  end

  ::next_token::
  do
    local blank = source:match("^[ \t]+", at)
    if blank then at = at + #blank; goto next_token end
    if source:find("^\n", at) then at, line = at + 1, line + 1; goto next_token end
    local comment = source:match("^#[^\n]*", at)
    if comment then at = at + #comment; goto next_token end
    if at > #source then goto done end

    local word = source:match("^[%a_][%w_]*", at)
    if word then
      add(keywords[word] and word or "name", word)
      at = at + #word
      goto next_token
    end
    local number = source:match("^%d+%.?%d*", at)
    if number then
      add("number", number)
      at = at + #number
      goto next_token
    end
    local quoted, past = source:match('^"([^"\n]*)"()', at)
    if quoted then
      add("string", quoted)
      at = past
      goto next_token
    end
    local symbol = source:match("^[<>=!]=", at) or source:match("^[-+*/%%^()<>=,.]", at)
    if symbol then
      add(symbol, symbol)
      at = at + #symbol
      goto next_token
    end
    error(string.format("line %d: unexpected '%s'", line, source:sub(at, at)), 0)
  end

  ::done::
  add("end of text", "end of text")
  return tokens
end

-- Parser ------------------------------------------------------------------------

local binary_levels = {
  ["or"] = 1, ["and"] = 2,
  ["=="] = 3, ["!="] = 3, ["<"] = 4, ["<="] = 4, [">"] = 4, [">="] = 4,
  ["."] = 5, ["+"] = 6, ["-"] = 6, ["*"] = 7, ["/"] = 7, ["%"] = 7, ["^"] = 9,
}
local unary_level = 8

local function parse(source)
  local tokens, at = tokenise(source), 1

  local function peek() return tokens[at].kind end
  local function take()
    at = at + 1
    return tokens[at - 1]
  end
  local function expect(kind)
    local token = tokens[at]
    if token.kind ~= kind then
      error(string.format("line %d: expected '%s' near '%s'", token.line, kind, token.text), 0)
    end
    return take()
  end

  local expression, block

  local function arguments(stop, item)
    local list = {}
    if peek() ~= stop then
      repeat
        list[#list + 1] = item()
      until peek() ~= "," or not take()
    end
    expect(stop)
    return list
  end

  local function primary()
    local token = take()
    local kind, node = token.kind, nil
    if kind == "number" then
      node = { "constant", tonumber(token.text) }
    elseif kind == "string" then
      node = { "constant", token.text }
    elseif kind == "true" or kind == "false" then
      node = { "constant", kind == "true" }
    elseif kind == "nil" then
      node = { "constant", nil }
    elseif kind == "name" then
      node = { "variable", token.text }
    elseif kind == "(" then
      node = expression(0)
      expect(")")
    elseif kind == "fn" then
      expect("(")
      local parameters = arguments(")", function() return expect("name").text end)
      node = { "function", parameters, block("end") }
      expect("end")
    elseif kind == "-" or kind == "not" then
      return { "unary", kind, expression(unary_level) }
    else
      error(string.format("line %d: unexpected '%s'", token.line, token.text), 0)
    end
    while peek() == "(" do
      take()
      node = { "call", node, arguments(")", function() return expression(0) end), line = token.line }
    end
    return node
  end

  function expression(level)
    local left = primary()
    while true do
      local operator = peek()
      local binding = binary_levels[operator]
      if not binding or binding <= level then
        return left
      end
      take()
      -- The power operator binds to the right.
      local right = expression(operator == "^" and binding - 1 or binding)
      left = { "binary", operator, left, right }
    end
  end

  local function statement()
    local kind = peek()
    if kind == "let" then
      take()
      local name = expect("name").text
      expect("=")
      return { "let", name, expression(0) }
    elseif kind == "if" then
      take()
      local condition = expression(0)
      expect("then")
      local yes, no = block("else", "end"), nil
      if take().kind == "else" then
        no = block("end")
        expect("end")
      end
      return { "if", condition, yes, no }
    elseif kind == "while" then
      take()
      local condition = expression(0)
      expect("do")
      local body = block("end")
      expect("end")
      return { "while", condition, body }
    elseif kind == "print" then
      take()
      return { "print", expression(0) }
    elseif kind == "return" then
      take()
      return { "return", expression(0) }
    elseif kind == "name" and tokens[at + 1].kind == "=" then
      local name = take().text
      take()
      return { "assign", name, expression(0) }
    end
    return { "expression", expression(0) }
  end

  function block(...)
    local list = { "block" }
    while true do
      local kind = peek()
      for i = 1, select("#", ...) do
        if kind == (select(i, ...)) then return list end
      end
      if kind == "end of text" then
        error(string.format("line %d: block is not ended", tokens[at].line), 0)
      end
      list[#list + 1] = statement()
    end
  end

  local program = { "block" }
  while peek() ~= "end of text" do
    program[#program + 1] = statement()
  end
  return program
end

-- Printing a tree -------------------------------------------------------------------

local function show(node)
  if type(node) ~= "table" then return tostring(node) end
  local parts = {}
  if node[1] == "constant" then
    return type(node[2]) == "string" and ("%q"):format(node[2]) or tostring(node[2])
  elseif node[1] == "variable" then
    return node[2]
  end
  for i = 1, #node do parts[i] = show(node[i]) end
  return "(" .. table.concat(parts, " ") .. ")"
end

-- Evaluator -------------------------------------------------------------------------

local operators = {
  ["+"] = function(a, b) return a + b end,
  ["-"] = function(a, b) return a - b end,
  ["*"] = function(a, b) return a * b end,
  ["/"] = function(a, b) return a / b end,
  ["%"] = function(a, b) return a % b end,
  ["^"] = function(a, b) return a ^ b end,
  ["."] = function(a, b) return tostring(a) .. tostring(b) end,
  ["=="] = function(a, b) return a == b end,
  ["!="] = function(a, b) return a ~= b end,
  ["<"] = function(a, b) return a < b end,
  ["<="] = function(a, b) return a <= b end,
  [">"] = function(a, b) return a > b end,
  [">="] = function(a, b) return a >= b end,
}

-- Replaces operators on constants by their result.
local folded = 0
local function fold(node)
  if type(node) ~= "table" then return node end
  local made = {}
  for i = 1, #node do made[i] = fold(node[i]) end
  made.line = node.line
  if made[1] == "constant" then return node end
  if made[1] == "binary" and operators[made[2]] and made[3][1] == "constant" and made[4][1] == "constant" then
    local ok, value = pcall(operators[made[2]], made[3][2], made[4][2])
    if ok then
      folded = folded + 1
      return { "constant", value }
    end
  end
  return made
end

local function run(program, globals, write)
  local evaluate, execute

  local function lookup(scope, name)
    while scope do
      if scope.variables[name] ~= nil then return scope end
      scope = scope.outer
    end
  end

  local evaluators = {
    constant = function(node) return node[2] end,
    variable = function(node, scope)
      local found = lookup(scope, node[2])
      if not found then error("unknown variable '" .. node[2] .. "'", 0) end
      return found.variables[node[2]]
    end,
    unary = function(node, scope)
      local value = evaluate(node[3], scope)
      if node[2] == "-" then return -value end
      return not value
    end,
    binary = function(node, scope)
      local operator, left = node[2], evaluate(node[3], scope)
      if operator == "and" then return left and evaluate(node[4], scope) end
      if operator == "or" then return left or evaluate(node[4], scope) end
      return operators[operator](left, evaluate(node[4], scope))
    end,
    call = function(node, scope)
      local callee, values = evaluate(node[2], scope), {}
      for i, argument in ipairs(node[3]) do values[i] = evaluate(argument, scope) end
      if type(callee) ~= "function" then
        error("line " .. node.line .. ": call of a " .. type(callee), 0)
      end
      return callee(table.unpack(values, 1, #node[3]))
    end,
    ["function"] = function(node, scope)
      local parameters, body = node[2], node[3]
      return function(...)
        local variables = {}
        for i, name in ipairs(parameters) do variables[name] = (select(i, ...)) end
        local _, value = execute(body, { variables = variables, outer = scope })
        return value
      end
    end,
  }

  function evaluate(node, scope)
    return evaluators[node[1]](node, scope)
  end

  -- Returns true and a value once a return statement has run.
  function execute(block, scope)
    for i = 2, #block do
      local node = block[i]
      local kind = node[1]
      if kind == "let" then
        scope.variables[node[2]] = evaluate(node[3], scope)
      elseif kind == "assign" then
        local found = lookup(scope, node[2])
        if not found then error("unknown variable '" .. node[2] .. "'", 0) end
        found.variables[node[2]] = evaluate(node[3], scope)
      elseif kind == "if" then
        local chosen = evaluate(node[2], scope) and node[3] or node[4]
        if chosen then
          local returned, value = execute(chosen, { variables = {}, outer = scope })
          if returned then return true, value end
        end
      elseif kind == "while" then
        while evaluate(node[2], scope) do
          local returned, value = execute(node[3], { variables = {}, outer = scope })
          if returned then return true, value end
        end
      elseif kind == "print" then
        write(tostring(evaluate(node[2], scope)))
      elseif kind == "return" then
        return true, evaluate(node[2], scope)
      else
        evaluate(node[2], scope)
      end
    end
    return false
  end

  return select(2, execute(program, { variables = globals }))
end

-- Samples -----------------------------------------------------------------------------

local trees = {
  "1 + 2 * 3", "(1 + 2) * 3", "2 ^ 3 ^ 2", "-2 ^ 2", "8 - 4 - 2", "not a == b", "1 < 2 and 2 < 3 or x",
  "f(1, g(2), -3)(4)", '"a" . "b" . 1', "fn(a, b) return a + b end", "10 % 4 / 2",
}
for _, text in ipairs(trees) do
  local tree = parse(text)
  print(string.format("%-28s %s", text, show(tree[2][2])))
  local short = show(fold(tree)[2][2])
  if short ~= show(tree[2][2]) then print(string.format("%28s %s", "=>", short)) end
end
print("folded", folded)

local programs = {
  sum = [[
    let total = 0   # adds up the multiples of three or five
    let i = 1
    while i < limit do
      if i % 3 == 0 or i % 5 == 0 then total = total + i end
      i = i + 1
    end
    print "sum " . total
    return total
  ]],
  fibonacci = [[
    let fib = fn(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end
    let n = 0
    while n <= 15 do
      if n % 5 == 0 then print "fib " . n . " = " . fib(n) end
      n = n + 1
    end
  ]],
  counter = [[
    let make = fn(start)
      let count = start
      return fn(step) count = count + step return count end
    end
    let a = make(10)
    let b = make(limit)
    a(1) a(2)
    print a(3) . " " . b(1) . " " . a(0)
  ]],
  collatz = [[
    let longest = 0
    let best = 0
    let n = 1
    while n <= limit do
      let x = n
      let steps = 0
      while x != 1 do
        if x % 2 == 0 then x = x / 2 else x = 3 * x + 1 end
        steps = steps + 1
      end
      if steps > longest then
        longest = steps
        best = n
      end
      n = n + 1
    end
    print "longest " . best . " with " . longest
  ]],
}
local order = {}
for name in pairs(programs) do order[#order + 1] = name end
table.sort(order)
for _, name in ipairs(order) do
  local program = fold(parse(programs[name]))
  local value = run(program, { limit = limit }, function(text) print(name, text) end)
  print(name, "returned", value)
end

for _, faulty in ipairs({ "let = 3", "1 +", "(1", 'let a = "x', "if 1 then", "print y", "x = 1", "let f = 3 f(1)", "1 + nil", "print $" }) do
  local ok, message = pcall(function() return run(parse(faulty), {}, print) end)
  print(string.format("%-16s %s", faulty, message))
end
