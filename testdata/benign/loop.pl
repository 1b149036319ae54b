my $s = 0;
while (1) { $s = ($s * 31 + $_) % 7919 for 1 .. 1000; select undef, undef, undef, 0.2 }
