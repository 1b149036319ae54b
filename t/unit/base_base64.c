/* Base 64: RFC 4648's own vectors, there and back, and what is none. */
#include "base/base.h"
#include "unit.h"

static void both(const char *plain, const char *coded)
{
	json_t *j = jsonio_base64(plain, strlen(plain));
	struct buf b = {0};

	OK_STR(json_string_value(j), coded, "coded");
	OK(!jsonio_unbase64(coded, &b) && b.len == strlen(plain) && !memcmp(buf_str(&b), plain, b.len), "and back");
	buf_free(&b);
	json_decref(j);
}

static void none(const char *text)
{
	struct buf b = {0};

	OK(jsonio_unbase64(text, &b) < 0, text);
	buf_free(&b);
}

int main(void)
{
	unsigned char all[256];
	struct buf b = {0};
	json_t *j;

	both("", "");
	both("f", "Zg==");
	both("fo", "Zm8=");
	both("foo", "Zm9v");
	both("foob", "Zm9vYg==");
	both("fooba", "Zm9vYmE=");
	both("foobar", "Zm9vYmFy");
	for (int i = 0; i < 256; i++)
		all[i] = (unsigned char)i;
	j = jsonio_base64(all, sizeof(all));
	OK(!jsonio_unbase64(json_string_value(j), &b) && b.len == sizeof(all) && !memcmp(b.p, all, sizeof(all)), "all bytes");
	json_decref(j);
	buf_free(&b);
	none("A");
	none("AA");
	none("AAA");
	none("AA=A");
	none("====");
	none("A===");
	none("AA A");
	none("AAA-");
	none("Zg==Zg==");
	none("Zh==");
	return unit_end();
}
