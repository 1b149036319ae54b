<?php
function hot($n) { $s = 0; for ($i = 0; $i < $n; $i++) $s = ($s * 31 + $i) % 7919; return $s; }
hot(3000000);
while (true) { hot(1000); preg_match('/(\d+)x/', "12x"); usleep(200000); }
