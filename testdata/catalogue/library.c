/* library: an inert shared library for the catalogue: a function that nobody calls, and what an audit library must export. */
unsigned library_word(unsigned x);
unsigned la_version(unsigned version);

static const volatile unsigned padding[PAD] = { SEED };

unsigned library_word(unsigned x)
{
	return x * 7u + SEED + padding[x % PAD];
}

unsigned la_version(unsigned version)
{
	return version;
}
