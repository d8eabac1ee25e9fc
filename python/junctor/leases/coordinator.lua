-- The coordinator: one true bucket per limit, and what each host was granted of it.
--
-- Problem. Hosts come, go, die, are cut off and come back; their reports are late or never heard of again. Never may the
-- hosts together be able to use more of a limit than it has emitted, and little of it may lie idle.
--
-- Choice. Everything is decided here, in one script that nothing interrupts. Units are deducted when they are granted.
-- A host that has been silent for longer than its lease lives on its safe share, nine tenths of the limit over the number
-- of hosts that it knows of, and is charged for it until it says what it really used, says goodbye or is forgotten. A
-- coordinator that does not remember (no keys, or another run of the server) grants nothing for one lease, begins with
-- an empty bucket, and charges the hosts that it has heard of without having met them. The bucket and all grants together
-- hold at most `cap`, so that units in the hands of hosts are not a second burst.
--
-- Rejected. Lending from the next seconds: then the sum is over by what was lent. Floats for levels: they lose units.
-- Every number here is an integer below 2^53; a quotient's remainder is kept (`frac`), and taken by fmod, which is exact.
--
-- Cost. A few microseconds per host and limit and second. Keys are short-lived; all begin with `{junctor}`, so that they
-- live in one slot of a cluster.
--
-- KEYS: hosts (name -> end of lease), meta, then one per limit.
-- ARGV: time in ms ('' for the server's), run of the server, host, fence, goes_by, knew, verb, lease_ms, forget_ms, then
-- FIELDS numbers per limit, see `rust/core/src/lease/desk.rs`.
-- Answer: status (1 granted, 0 learning, -1 too late), time, hosts, lease_ms, then per limit: units, ms until they end, day, used.

local floor, fmod, ceil, max, min = math.floor, math.fmod, math.ceil, math.max, math.min
local call, number = redis.call, tonumber
local HEAD, FIELDS = 9, 19
local MOST = 137438953471 -- units that a grant's word can hold
local DEBT_WINDOWS = 16
local SWEEP_MS = 60000 -- between two looks for hosts that are no more

local HOSTS, META = KEYS[1], KEYS[2]
local run, host, verb = ARGV[2], ARGV[3], ARGV[7]
local fence, goes_by, knew = number(ARGV[4]), max(1, number(ARGV[5])), number(ARGV[6])
local LEASE, FORGET = number(ARGV[8]), number(ARGV[9])

local now
if ARGV[1] ~= '' then
    now = number(ARGV[1])
else
    local time = call('TIME')
    now = number(time[1]) * 1000 + floor(number(time[2]) / 1000)
end
if fence > 0 and now > fence then return { -1, now, 0, LEASE } end

-- a / b, rounded down, and its rest; exact for integers
local function divided(a, b)
    local rest = fmod(a, b)
    return (a - rest) / b, rest
end

-- The meta record: is this the coordinator that the hosts know?
local meta = call('HMGET', META, 'run', 'born', 'now', 'expected')
local born, expected = number(meta[2] or ''), number(meta[4] or '') or 0
now = max(now, number(meta[3] or '') or 0) -- the server's clock may be set back; ours never is
if not born or meta[1] ~= run then
    expected = max(expected, knew, born and call('ZCARD', HOSTS) or 0)
    born = now
    call('DEL', HOSTS, META)
elseif now < born + FORGET then
    expected = max(expected, knew)
end
local learning = now < born + LEASE

-- Who is there? `ended` is when our own lease ended if it has; `silent` are the others whose lease has.
local forgot = false
for _, name in ipairs(call('ZRANGEBYSCORE', HOSTS, '-inf', '(' .. (now - FORGET))) do
    forgot = true
    call('HDEL', META, 'n:' .. name)
    call('ZREM', HOSTS, name)
end
local score = number(call('ZSCORE', HOSTS, host) or '')
local ended = score and score < now and score or nil
local own_n = number(call('HGET', META, 'n:' .. host) or '') or goes_by
local known = call('ZCARD', HOSTS)
local silent = {}
local over = call('ZRANGEBYSCORE', HOSTS, '-inf', '(' .. now, 'WITHSCORES')
for i = 1, #over, 2 do
    if over[i] ~= host then
        local n = number(call('HGET', META, 'n:' .. over[i]) or '') or 1
        silent[#silent + 1] = { over[i], number(over[i + 1]), n }
    end
end
local early = now < born + FORGET
local missing = early and max(0, expected - known) or 0
if verb == 'bye' then
    call('ZREM', HOSTS, host)
    call('HDEL', META, 'n:' .. host)
    if early and expected > 0 then expected = expected - 1 end
else
    -- While it learns nothing is leased: hosts live on their safe share, and are charged for it from now on.
    call('ZADD', HOSTS, learning and now or now + LEASE, host)
end
local hosts = max(call('ZCARD', HOSTS), early and expected or 0)
local live = max(1, call('ZCOUNT', HOSTS, now, '+inf'))
if verb ~= 'bye' then
    -- Whether our answer arrives is not known yet: it may go by the old number or by the new one.
    call('HSET', META, 'n:' .. host, min(goes_by, max(1, hosts)))
end
call('HSET', META, 'run', run, 'born', born, 'now', now, 'expected', expected)
call('PEXPIRE', META, 2 * FORGET)
call('PEXPIRE', HOSTS, 2 * FORGET)

-- What hosts were granted of a limit, one field per host: units held, demand, last grant, charged while silent.
local function record(text)
    if not text then return nil end
    local out, demand, at, pre = string.match(text, '^(%-?%d+) (%d+) (%d+) (%d+)$')
    return { out = number(out), demand = number(demand), at = number(at), pre = number(pre) }
end
local function text(it) return string.format('%.0f %.0f %.0f %.0f', it.out, it.demand, it.at, it.pre) end

-- What is remembered of a limit, beside `waits` (the host that waits for a large grant) and a field per host.
local NUMBERS = { 'born', 'limit', 'rate', 'burst', 'cap', 'said', 'level', 'frac', 'at', 'out', 'demand', 'bonus', 'lost',
    'day', 'sweep', 'waited' }

-- Drops the fields of the hosts that `gone` says so of.
local function drop(key, it, gone)
    local fields = call('HGETALL', key)
    for i = 1, #fields, 2 do
        local name = string.match(fields[i], '^h:(.*)$')
        if name and gone(name) then
            local rec = record(fields[i + 1])
            it.out, it.demand = it.out - rec.out, it.demand - rec.demand
            call('HDEL', key, fields[i])
        end
    end
end

-- A number of requests at once: permits, of which the sum over hosts is at most the limit. A silent host keeps its own until
-- it is forgotten, because its requests may run. One that holds more than its part is told to give up the rest, which
-- counts once it reports so.
local function permits(key, it, mine, arg)
    local limit, held, demand, wanted = it.limit, arg[8], arg[11], arg[12]
    if it.born ~= born then
        it.out, it.demand = it.out or 0, it.demand or 0
        drop(key, it, function() return true end)
        it.born, it.out, it.demand, it.sweep, mine = born, 0, 0, now, { out = 0, demand = 0, at = now, pre = 0 }
    end
    for _, other in ipairs(silent) do
        local rec = record(call('HGET', key, 'h:' .. other[1]))
        if rec and rec.demand > 0 then
            it.demand, rec.demand = it.demand - rec.demand, 0
            call('HSET', key, 'h:' .. other[1], text(rec))
        end
    end
    it.out = it.out + held - mine.out
    it.demand = it.demand + demand - mine.demand
    mine.out, mine.demand = held, demand
    local unmet = missing > 0 and ceil(limit * 9 * missing / (10 * expected)) or 0
    local free = max(0, limit - it.out - unmet)
    local give = floor(limit * ((demand + 1) / (it.demand + live))) - held
    if give < 1 and wanted > held then give = 1 end
    give = min(give, free)
    if learning or verb == 'bye' then give = 0 end
    it.out, mine.out = it.out + max(0, give), held + max(0, give)
    return give, mine
end

-- A rate or a day's count: units, deducted when they are granted.
local function units(key, it, mine, arg)
    local daily, window, tick = arg[1] == 1, arg[4], arg[5]
    local limit, rate, burst, cap = it.limit, it.rate, it.burst, it.cap
    local held, returned, debt, demand, wanted, least, alone = unpack(arg, 8, 14)
    local day, day_ends = -1, LEASE
    if daily then
        local wall = floor(now / 1000)
        local changed = arg[18] >= 0 and wall >= arg[18]
        local offset = changed and arg[19] or arg[17]
        day = max(divided(wall + offset, 86400), it.day or 0)
        day_ends = (day + 1) * 86400 - offset
        if not changed and arg[18] >= 0 then day_ends = min(day_ends, arg[18]) end
        day_ends = max(0, day_ends * 1000 - now)
    end

    if it.born ~= born then
        -- A new limit is full. One that was there before, or may have been, begins empty; a day's count is kept.
        local fresh = it.born == nil and expected == 0
        it.out, it.demand = it.out or 0, it.demand or 0
        if it.born then drop(key, it, function() return true end) end
        if daily then
            if it.day == nil then it.level, it.day = limit, day end
        else
            it.level = fresh and burst or 0
        end
        it.bonus = fresh and not daily and burst or 0
        it.frac, it.at, it.out, it.demand, it.lost, it.sweep = 0, now, 0, 0, 0, now
        mine = { out = 0, demand = 0, at = now - 1000, pre = 0 }
        -- A limit that comes with a reload, long after the start, is no restart.
        if not early and not daily and it.born == nil then it.level = burst end
        it.born = born
    end
    if it.bonus > 0 and expected > 0 then
        -- Somebody knows an earlier coordinator after all: nothing says that the bucket was full.
        it.level, it.bonus = it.level - it.bonus, 0
    end
    if not learning then it.bonus = 0 end

    -- Emission since the last look.
    local ticks = divided(max(0, now - it.at), tick)
    it.at = it.at + ticks * tick
    local windows, rest = divided(ticks, window)
    local per_tick, odd = divided(rate, window)
    local emitted, frac = divided(odd * rest + it.frac, window)
    emitted = emitted + per_tick * rest + min(windows, 2 * DEBT_WINDOWS) * rate
    it.frac = frac
    if daily then
        if day > it.day then
            -- What was granted yesterday ends with its day.
            it.level, it.out, it.day, it.lost = limit, 0, day, 0
            mine.out = 0
        end
    else
        it.level = it.level + emitted
    end
    if missing > 0 then
        -- Hosts that somebody knew and nobody has met since the start: each is on its safe share.
        local charged
        charged, it.lost = divided(min(emitted, limit) * 9 * missing + it.lost, 10 * expected)
        it.level = it.level - charged
    end

    -- What a host on its own may have used in a span, rounded up.
    local function safe(span, n)
        local t = divided(span, tick) + 1
        local whole, part = divided(t, window)
        local full = whole * rate + per_tick * part + divided(odd * part, window) + 1
        return ceil(full * 9 / (10 * n))
    end
    local function charge(rec, since, n)
        it.out, it.demand = it.out - rec.out, it.demand - rec.demand
        rec.out, rec.demand = 0, 0
        local sum = safe(now - since, n)
        it.level = it.level - max(0, sum - rec.pre)
        rec.pre = max(rec.pre, sum)
    end
    for _, other in ipairs(silent) do
        local rec = record(call('HGET', key, 'h:' .. other[1]))
        if rec then
            charge(rec, other[2], other[3])
            call('HSET', key, 'h:' .. other[1], text(rec))
        end
    end

    -- The host that reports.
    if ended then charge(mine, ended, own_n) end
    if alone >= 0 then
        if daily then
            local today = min(now - (ended or now), max(0, 86400000 - day_ends))
            local back = ended and min(mine.pre, safe(today, own_n)) or 0
            if arg[15] ~= day then alone = 0 end
            it.level = it.level + back - alone
        else
            it.level = it.level + max(0, mine.pre - alone)
        end
    end
    mine.pre = 0
    if daily and arg[15] ~= day then held, returned = 0, 0 end
    it.out = it.out + held - mine.out
    mine.out = held
    if not learning then
        it.level = it.level + returned - debt
        it.level = max(it.level, -DEBT_WINDOWS * limit)
    elseif daily and arg[15] == day then
        -- What hosts were told before is the only memory of the day.
        it.level = min(it.level, limit - arg[16])
    end
    if it.level + it.out > cap then it.level, it.frac = cap - it.out, 0 end

    -- How much of the next two seconds is ours: by demand, and a little for everybody.
    local second = floor(rate / (window * tick) * 1000)
    demand = min(demand, 2 * second)
    it.demand = it.demand + demand - mine.demand
    mine.demand = demand
    local base = max(1, divided(second, 16 * live))
    local weight, all = demand + base, it.demand + base * live
    local function part(n) return floor(n * (weight / all)) end
    local most = max(0, part(2 * second) - held)
    local spare = max(0, it.level - second)
    local give = min(most, part(divided(second * min(now - mine.at, 2000), 1000)) + part(spare))
    give = min(give, max(0, it.level))
    -- Room for the largest request that waits, if there is, for a host whose turn it is or where there is plenty; one
    -- larger than the burst has to find the bucket full.
    local need = wanted - held
    if need > give then
        local turn = part(divided(second * min(now - mine.at, 60000), 1000))
        local first = it.waits == '' or it.waits == host or now > it.waited + LEASE
        if need <= it.level and (first or need <= turn or it.level - need >= second) then give = need
        elseif wanted <= limit and wanted > cap and it.level >= cap - it.out then give = need end
    end
    -- Room for a small one of the size that was refused lately, as long as the bucket is half full.
    if least - held > give and least <= cap / 8 and it.level - (least - held) >= cap / 2 then give = least - held end
    give = max(0, min(give, MOST - held))
    if learning or verb == 'bye' then give = 0 end
    it.level, it.out, mine.out = it.level - give, it.out + give, held + give
    if need > give then
        it.waits, it.waited = host, now
    elseif it.waits == host then
        it.waits = ''
    end
    if give > 0 and give >= need then mine.at = now end
    return give, mine, day_ends
end

local answer = { learning and 0 or 1, now, hosts, LEASE }
for place = 1, #KEYS - 2 do
    local key, first = KEYS[place + 2], HEAD + (place - 1) * FIELDS
    local arg = {}
    for i = 1, FIELDS do arg[i] = number(ARGV[first + i]) end
    local it = {}
    for i, value in ipairs(call('HMGET', key, unpack(NUMBERS))) do it[NUMBERS[i]] = number(value or '') end
    it.waits, it.waited = call('HGET', key, 'waits') or '', it.waited or 0

    -- A limit that hosts disagree on is the lowest that any of them names, until nobody has named it for two leases.
    if not it.limit or arg[2] <= it.limit or now > it.said + 2 * LEASE then
        it.limit, it.rate, it.burst, it.cap, it.said = arg[2], arg[3], arg[6], arg[7], now
    end

    -- Hosts that were forgotten, some of them by calls that do not know this limit.
    if it.born == born and (forgot or now - it.sweep > SWEEP_MS) then
        it.sweep = now
        drop(key, it, function(name)
            if name == host then return not score end
            return not call('ZSCORE', HOSTS, name)
        end)
    end

    local mine = record(call('HGET', key, 'h:' .. host))
    mine = mine or { out = 0, demand = 0, at = now - 1000, pre = 0 }
    local daily, give, day_ends = arg[1] == 1, 0, LEASE
    if arg[1] == 2 then
        give, mine = permits(key, it, mine, arg)
    else
        give, mine, day_ends = units(key, it, mine, arg)
    end
    if verb == 'bye' then
        it.out, it.demand = it.out - mine.out, it.demand - mine.demand
        call('HDEL', key, 'h:' .. host)
    else
        call('HSET', key, 'h:' .. host, text(mine))
    end
    local fields = { 'waits', it.waits }
    for _, name in ipairs(NUMBERS) do
        fields[#fields + 1] = name
        fields[#fields + 1] = it[name] or 0
    end
    call('HSET', key, unpack(fields))
    -- A bucket that nobody asks for is full again after its window and the deepest debt; a day is over after two.
    call('PEXPIRE', key, daily and 3 * 86400000 or 2 * FORGET + (DEBT_WINDOWS + 1) * arg[4] * arg[5])
    local reply = { give, min(LEASE, day_ends), daily and it.day or -1, daily and it.limit - it.level or 0 }
    for _, value in ipairs(reply) do answer[#answer + 1] = value end
end
return answer
