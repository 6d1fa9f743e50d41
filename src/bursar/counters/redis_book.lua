-- The accounts, holds and leases of one gateway, in three hashes of a Redis or Valkey server.
--
-- KEYS: 1 the book (accounts, parts of rolling windows, workers), 2 holds, 3 seeds. Each has a field `epoch`: a hash
-- without it was lost (restart, eviction), and then nothing is answered but `BLANK`.
-- ARGV: 1 operation, 2 its arguments, MessagePack.
--
-- Lua has no integers, and its numbers are exact up to 2^53 only, so an amount is two of them: whole units of 10^12 and
-- a rest below a unit. Both stay below 2^53 up to 9 * 10^15 units, and so do sums.
--
-- An account is { spent, rest, held, rest, limit or false, rest, opened_us, used_us, idle_us or false, oldest }.
-- A claim is { name, window, amount, rest, limit or nil, rest, keeps_limit, span_us, part_us, idle_us, max_age_us }.

local UNIT = 1000000000000
local AT_ONCE = 1000
local FORGET_WORKER_US = 3600000000

local book, holds, seeds = KEYS[1], KEYS[2], KEYS[3]
local pack, unpacked = cmsgpack.pack, cmsgpack.unpack
local call = redis.call

local function digits(number)
  return string.format('%.0f', number)
end

local function add(whole, rest, more, more_rest)
  whole, rest = whole + more, rest + more_rest
  if rest >= UNIT then return whole + 1, rest - UNIT end
  if rest < 0 then return whole - 1, rest + UNIT end
  return whole, rest
end

local function account_field(claim)
  return 'a|' .. digits(claim[2]) .. '|' .. claim[1]
end

local function seed_field(claim)
  return digits(claim[2]) .. '|' .. claim[1]
end

local function part_field(name, number)
  return 'p|' .. digits(number) .. '|' .. name
end

local function is_blank()
  return not (call('HGET', book, 'epoch') and call('HGET', holds, 'epoch') and call('HGET', seeds, 'epoch'))
end

-- Workers: name to { alive_until_us, 0 without a lease; session; number of its last settlement; ended_us, or 0 }.

local function all_workers()
  local kept = call('HGET', book, 'w')
  return kept and unpacked(kept) or {}
end

local function keep_workers(workers)
  call('HSET', book, 'w', pack(workers))
end

-- Parts of rolling windows.

local function oldest_at(claim, at_us)
  if claim[8] == 0 then return 0 end
  return math.floor((at_us - claim[8]) / claim[9])
end

local function parts_between(name, first, last)
  local found = {}
  for start = first, last, AT_ONCE do
    local numbers, fields = {}, {}
    for number = start, math.min(last, start + AT_ONCE - 1) do
      numbers[#numbers + 1] = number
      fields[#fields + 1] = part_field(name, number)
    end
    local values = call('HMGET', book, unpack(fields))
    for position, value in ipairs(values) do
      if value then
        local amount = unpacked(value)
        found[#found + 1] = { numbers[position], amount[1], amount[2], fields[position] }
      end
    end
  end
  return found
end

local function add_part(name, number, whole, rest)
  local field = part_field(name, number)
  local kept = call('HGET', book, field)
  if kept then
    local amount = unpacked(kept)
    whole, rest = add(amount[1], amount[2], whole, rest)
  end
  call('HSET', book, field, pack({ whole, rest }))
end

-- Lets go of what is entirely older than a rolling window; `is_reading` leaves the parts where they are.
local function prune(claim, account, at_us, is_reading)
  local oldest = oldest_at(claim, at_us)
  if oldest <= account[10] then return end
  for _, part in ipairs(parts_between(claim[1], account[10], oldest - 1)) do
    account[1], account[2] = add(account[1], account[2], -part[2], -part[3])
    if not is_reading then call('HDEL', book, part[4]) end
  end
  account[10] = oldest
end

-- Accounts.

local function seeds_of(claim, oldest)
  local kept = call('HGET', seeds, seed_field(claim))
  local found = {}
  for _, seed in ipairs(kept and unpacked(kept) or {}) do
    if seed[1] >= oldest then found[#found + 1] = seed end
  end
  return found
end

local function new_account(claim, at_us)
  local oldest = oldest_at(claim, at_us)
  local account = { 0, 0, 0, 0, claim[5] or false, claim[6], at_us, at_us, claim[10] or false, oldest }
  for _, seed in ipairs(seeds_of(claim, oldest)) do
    account[1], account[2] = add(account[1], account[2], seed[2], seed[3])
  end
  return account
end

-- The accounts of claims, in their order, and which of them are new.
local function accounts_of(claims, at_us, is_reading)
  local fields, accounts, is_new = {}, {}, {}
  for position, claim in ipairs(claims) do fields[position] = account_field(claim) end
  if #fields == 0 then return fields, accounts, is_new end
  local kept = call('HMGET', book, unpack(fields))
  for position, claim in ipairs(claims) do
    if kept[position] then
      accounts[position] = unpacked(kept[position])
      if claim[8] > 0 then prune(claim, accounts[position], at_us, is_reading) end
    else
      accounts[position] = new_account(claim, at_us)
      is_new[position] = true
    end
  end
  return fields, accounts, is_new
end

local function open(claim, account)
  if claim[8] == 0 then return end
  for _, seed in ipairs(seeds_of(claim, account[10])) do add_part(claim[1], seed[1], seed[2], seed[3]) end
end

local function keep_accounts(fields, accounts)
  local flat = {}
  for position, field in ipairs(fields) do
    flat[#flat + 1] = field
    flat[#flat + 1] = pack(accounts[position])
  end
  if #flat > 0 then call('HSET', book, unpack(flat)) end
end

local function is_used(claim)
  return claim[3] > 0 or claim[4] > 0
end

local function used_claims(claims)
  local used = {}
  for _, claim in ipairs(claims) do
    if is_used(claim) then used[#used + 1] = claim end
  end
  return used
end

local function has_room(claim, account, at_us, whole, rest)
  if not is_used(claim) then return true end
  if claim[11] and at_us - account[7] > claim[11] then return false end
  local limit, limit_rest = claim[5], claim[6]
  if claim[7] then limit, limit_rest = account[5], account[6] end
  if not limit then return true end
  return whole < limit or (whole == limit and rest <= limit_rest)
end

-- Holds: id to { worker, claims }.

local function release(id)
  local kept = call('HGET', holds, id)
  if not kept then return false end
  call('HDEL', holds, id)
  for _, claim in ipairs(unpacked(kept)[2]) do
    local field = account_field(claim)
    local account = call('HGET', book, field)
    if account then
      account = unpacked(account)
      account[3], account[4] = add(account[3], account[4], -claim[3], -claim[4])
      call('HSET', book, field, pack(account))
    end
  end
  return true
end

local function bury(name)
  local every = call('HGETALL', holds)
  for position = 1, #every, 2 do
    if every[position] ~= 'epoch' and unpacked(every[position + 1])[1] == name then release(every[position]) end
  end
end

-- Operations.

local operations = {}

-- { epoch, ttl_ms }: begins to count, unless that has begun.
function operations.begin(given)
  if not is_blank() then return 'OK' end
  call('DEL', book, holds, seeds)
  for _, key in ipairs(KEYS) do
    call('HSET', key, 'epoch', given[1])
    call('PEXPIRE', key, given[2])
  end
  return 'OK'
end

-- { worker }: a connection of its own; what comes late on an earlier one is not done any more. Answers its session, the
-- number of its last settlement, and whether it is known to hold something.
function operations.hello(given)
  local workers = all_workers()
  local worker = workers[given[1]] or { 0, 0, 0, 0 }
  worker[2] = worker[2] + 1
  workers[given[1]] = worker
  keep_workers(workers)
  return pack({ worker[2], worker[3], worker[1] > 0 })
end

-- { worker, session, id, at_us, lease_us, is_forced, claims }: holds all or none.
function operations.reserve(given, worker, workers)
  local id, at_us, claims = given[3], given[4], given[7]
  local fields, accounts, is_new = accounts_of(claims, at_us, false)
  local short, granted = {}, {}
  for position, claim in ipairs(claims) do
    local account = accounts[position]
    local whole, rest = add(account[1], account[2], account[3], account[4])
    whole, rest = add(whole, rest, claim[3], claim[4])
    if not (given[6] or has_room(claim, account, at_us, whole, rest)) then short[#short + 1] = position - 1 end
    local limit, limit_rest = claim[5] or false, claim[6]
    if claim[7] then limit, limit_rest = account[5], account[6] end
    granted[position] = { whole, rest, limit, limit_rest }
  end
  if #short > 0 then
    local standings, known, kept = {}, {}, {}
    for position, claim in ipairs(claims) do
      local account = accounts[position]
      local parts = {}
      if claim[8] > 0 then
        if is_new[position] then
          parts = seeds_of(claim, account[10])
        else
          for _, part in ipairs(parts_between(claim[1], account[10], math.floor(at_us / claim[9]))) do
            parts[#parts + 1] = { part[1], part[2], part[3] }
          end
        end
      end
      if not is_new[position] then
        account[8] = math.max(account[8], at_us)
        known[#known + 1], kept[#kept + 1] = fields[position], account
      end
      standings[position] = {
        account[1], account[2], account[3], account[4], granted[position][3], granted[position][4], account[7], parts
      }
    end
    keep_accounts(known, kept)
    return pack({ short, standings })
  end
  local held = {}
  for position, claim in ipairs(claims) do
    local account = accounts[position]
    if is_new[position] then open(claim, account) end
    account[3], account[4] = add(account[3], account[4], claim[3], claim[4])
    account[8] = math.max(account[8], at_us)
    held[position] = { claim[1], claim[2], claim[3], claim[4] }
  end
  keep_accounts(fields, accounts)
  call('HSET', holds, id, pack({ given[1], held }))
  if worker[1] < at_us then
    worker[1] = at_us + given[5]
    keep_workers(workers)
  end
  return pack({ short, granted })
end

-- { worker, session, number, id, at_us, claims }, with what was used for amounts: replaces a hold.
function operations.settle(given, worker, workers)
  local id, at_us, claims = given[4], given[5], given[6]
  local hold = call('HGET', holds, id)
  if hold then
    hold = unpacked(hold)[2]
    call('HDEL', holds, id)
  else
    -- Not granted, or its lease has ended: it claims of its accounts only now.
    claims = used_claims(claims)
  end
  local fields, accounts, is_new = accounts_of(claims, at_us, false)
  for position, claim in ipairs(claims) do
    local account = accounts[position]
    if is_new[position] then open(claim, account) end
    if hold then
      account[3], account[4] = add(account[3], account[4], -hold[position][3], -hold[position][4])
    else
      account[8] = math.max(account[8], at_us)
    end
    local number = claim[8] > 0 and math.floor(at_us / claim[9]) or 0
    if number >= account[10] and is_used(claim) then
      account[1], account[2] = add(account[1], account[2], claim[3], claim[4])
      if claim[8] > 0 then add_part(claim[1], number, claim[3], claim[4]) end
    end
  end
  keep_accounts(fields, accounts)
  worker[3] = given[3]
  keep_workers(workers)
  return 'OK'
end

-- { worker, session, at_us, lease_us, ttl_ms, cursor, count }: renews a lease, ends those of the dead, and forgets some
-- of the accounts that nobody uses. Answers the next cursor.
function operations.beat(given, worker, workers)
  local at_us = given[3]
  worker[1] = at_us + given[4]
  for name, other in pairs(workers) do
    if other[1] > 0 and other[1] < at_us then
      bury(name)
      other[1], other[4] = 0, at_us
    elseif other[1] == 0 and other[4] > 0 and at_us - other[4] > FORGET_WORKER_US then
      workers[name] = nil
    end
  end
  keep_workers(workers)
  for _, key in ipairs(KEYS) do call('PEXPIRE', key, given[5]) end
  if given[7] == 0 then return given[6] end
  local scanned = call('HSCAN', book, given[6], 'MATCH', 'a|*', 'COUNT', given[7])
  for position = 1, #scanned[2], 2 do
    local account = unpacked(scanned[2][position + 1])
    if account[9] and account[8] + account[9] < at_us and account[3] == 0 and account[4] == 0 then
      local window, name = string.match(scanned[2][position], '^a|(%d+)|(.*)$')
      call('HDEL', book, scanned[2][position])
      if window == '0' and account[10] > 0 then
        for _, part in ipairs(parts_between(name, account[10], account[10] + AT_ONCE)) do call('HDEL', book, part[4]) end
      end
    end
  end
  return scanned[1]
end

-- { worker, session }: returns everything a worker holds.
operations['end'] = function(given, worker, workers)
  bury(given[1])
  workers[given[1]] = nil
  keep_workers(workers)
  return 'OK'
end

-- { at_us, claims }: what is spent and held.
function operations.balances(given)
  local _, accounts = accounts_of(given[2], given[1], true)
  local found = {}
  for position, account in ipairs(accounts) do found[position] = { account[1], account[2], account[3], account[4] } end
  return pack(found)
end

-- { claims, each with { number, amount, rest } of its parts }: states what was spent before the counting began.
function operations.seed(given)
  for position, claim in ipairs(given[1]) do
    local changes, kept = {}, call('HGET', seeds, seed_field(claim))
    for _, seed in ipairs(kept and unpacked(kept) or {}) do
      changes[#changes + 1] = { seed[1], -seed[2], -seed[3] }
    end
    for _, seed in ipairs(given[2][position]) do changes[#changes + 1] = seed end
    local field = account_field(claim)
    local account = call('HGET', book, field)
    if account then
      account = unpacked(account)
      for _, change in ipairs(changes) do
        if change[1] >= account[10] then
          account[1], account[2] = add(account[1], account[2], change[2], change[3])
          if change[1] > 0 then add_part(claim[1], change[1], change[2], change[3]) end
        end
      end
      call('HSET', book, field, pack(account))
    end
    if #given[2][position] > 0 then
      call('HSET', seeds, seed_field(claim), pack(given[2][position]))
    else
      call('HDEL', seeds, seed_field(claim))
    end
  end
  return 'OK'
end

local given = unpacked(ARGV[2])
if ARGV[1] == 'begin' then return operations.begin(given) end
if is_blank() then return redis.error_reply('BLANK what was counted is gone') end
if ARGV[1] == 'hello' or ARGV[1] == 'balances' or ARGV[1] == 'seed' then return operations[ARGV[1]](given) end
local workers = all_workers()
local worker = workers[given[1]]
if not worker or worker[2] ~= given[2] then return redis.error_reply('STALE a later connection took over') end
return operations[ARGV[1]](given, worker, workers)
