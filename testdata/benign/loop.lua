local function hot(n) local s = 0 for i = 1, n do s = (s * 31 + i) % 7919 end return s end
hot(5000000)
while true do hot(100000) os.execute("sleep 1") end
