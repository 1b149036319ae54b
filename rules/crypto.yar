/*
 * Constants and loops of algorithms. No weight of their own: libraries of everybody have them; rules/capability names them.
 * t/capability.bats holds that each fires on its specimen and not on the near miss beside it.
 */

rule aes_sbox : crypto
{
	meta:
		description = "the substitution table of AES, or its inverse (FIPS 197)"
		technique = "T1027"
		weight = 0
	strings:
		$forward = { 63 7c 77 7b f2 6b 6f c5 30 01 67 2b fe d7 ab 76 }
		$inverse = { 52 09 6a d5 30 36 a5 38 bf 40 a3 9e 81 f3 d7 fb }
		/* The first columns of the tables that join substitution and mixing, in either order of bytes. */
		$joined_le = { a5 63 63 c6 84 7c 7c f8 99 77 77 ee }
		$joined_be = { c6 63 63 a5 f8 7c 7c 84 ee 77 77 99 }
	condition:
		any of them
}

rule rc4_ksa : crypto
{
	meta:
		description = "exchanges bytes of a table of 256 in a loop (the key schedule of RC4)"
		technique = "T1027"
		weight = 0
	strings:
		/* movzx; two stores of bytes; 256 compared; backwards */
		$compare = { 0f b6 [6-60] (88 | 44 88 | 40 88) [1-16] (88 | 44 88 | 40 88) [1-24] (3d | 81 f?) 00 01 00 00 (7? | 0f 8?) }
		/* the same with 255, as compilers write "i <= 255" and without optimisation */
		$below = { 0f b6 [6-90] 88 [1-40] 88 [1-24] 81 7d ?? ff 00 00 00 (7? | 0f 8?) }
	condition:
		(uint32(0) == 0x464c457f or uint16(0) == 0x5a4d) and filesize < 2MB and any of them
}

rule crc32_table : crypto
{
	meta:
		description = "the table of CRC-32 (polynomial EDB88320), or that polynomial in code"
		technique = "T1027"
		weight = 0
	strings:
		$table = { 00 00 00 00 96 30 07 77 2c 61 0e ee ba 51 09 99 19 c4 6d 07 }
		$code = { (81 f? | 35) 20 83 b8 ed }
	condition:
		any of them
}

rule chacha_constant : crypto
{
	meta:
		description = "the constant of Salsa20 and ChaCha (Bernstein 2008)"
		technique = "T1027"
		weight = 0
	strings:
		$sigma = "expand 32-byte k"
		$words = { 65 78 70 61 [1-12] 6e 64 20 33 [1-12] 32 2d 62 79 [1-12] 74 65 20 6b }
	condition:
		any of them
}

rule sha256_constants : crypto
{
	meta:
		description = "the first round constants of SHA-256 (FIPS 180-4)"
		technique = "T1027"
		weight = 0
	strings:
		$le = { 98 2f 8a 42 91 44 37 71 cf fb c0 b5 a5 db b5 e9 }
		$be = { 42 8a 2f 98 71 37 44 91 b5 c0 fb cf e9 b5 db a5 }
	condition:
		any of them
}

rule md5_constants : crypto
{
	meta:
		description = "the first constants of MD5 (RFC 1321)"
		technique = "T1027"
		weight = 0
	strings:
		$table = { 78 a4 6a d7 56 b7 c7 e8 db 70 20 24 ee ce bd c1 }
		$code = { 78 a4 6a d7 [1-40] 56 b7 c7 e8 [1-40] db 70 20 24 }
	condition:
		any of them
}

rule base64_alphabet : crypto
{
	meta:
		description = "the alphabet of base 64 (RFC 4648), plain or with the two last digits of URLs"
		technique = "T1027"
		weight = 0
	strings:
		$plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
		$url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	condition:
		any of them
}

rule rdtsc_pair : evasion
{
	meta:
		description = "reads the processor's clock twice around some instructions and compares"
		technique = "T1497.003"
		weight = 0
	strings:
		/* rdtsc ... rdtsc ... sub, then cmp with a constant */
		$pair = { 0f 31 [2-60] 0f 31 [0-24] (29 | 2b | 48 29 | 48 2b) [1-16] (3d | 81 f? | 83 f? | 48 3d | 48 81 f?) }
	condition:
		(uint32(0) == 0x464c457f or uint16(0) == 0x5a4d) and filesize < 2MB and $pair
}
