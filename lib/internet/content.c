#include "internet/internal.h"

#include <string.h>

#define PAGE "<!DOCTYPE html>\n<html><head><title>Welcome</title></head>\n<body><h1>It works!</h1></body></html>\n"
#define TEXT "ok\n"

enum make { PAGE_, TEXT_, JSON_, XML_, SCRIPT_, CSS_, JS_, ELF_, EXE_, DLL_, ZIP_, GZIP_, PDF_, GIF_, PNG_, JPG_, ICO_ };
/* The last extension decides. Bots fetch their next stage under the name of a processor. */
static const struct { const char *extension; enum make make; } kinds[] = {
	{ "html", PAGE_ }, { "htm", PAGE_ }, { "php", PAGE_ }, { "asp", PAGE_ }, { "aspx", PAGE_ }, { "jsp", PAGE_ }, { "cgi", PAGE_ },
	{ "txt", TEXT_ }, { "dat", TEXT_ }, { "cfg", TEXT_ }, { "conf", TEXT_ }, { "ini", TEXT_ }, { "log", TEXT_ }, { "csv", TEXT_ },
	{ "json", JSON_ }, { "xml", XML_ }, { "css", CSS_ }, { "js", JS_ },
	{ "sh", SCRIPT_ }, { "bash", SCRIPT_ }, { "py", SCRIPT_ }, { "pl", SCRIPT_ },
	{ "elf", ELF_ }, { "bin", ELF_ }, { "out", ELF_ }, { "so", ELF_ }, { "x86", ELF_ }, { "x86_64", ELF_ }, { "x64", ELF_ }, { "i586", ELF_ },
	{ "i686", ELF_ }, { "amd64", ELF_ }, { "arm", ELF_ }, { "arm4", ELF_ }, { "arm5", ELF_ }, { "arm6", ELF_ }, { "arm7", ELF_ },
	{ "aarch64", ELF_ }, { "mips", ELF_ }, { "mpsl", ELF_ }, { "mipsel", ELF_ }, { "ppc", ELF_ }, { "sh4", ELF_ }, { "spc", ELF_ }, { "m68k", ELF_ },
	{ "exe", EXE_ }, { "scr", EXE_ }, { "com", EXE_ }, { "pif", EXE_ }, { "dll", DLL_ }, { "ocx", DLL_ }, { "sys", DLL_ },
	{ "zip", ZIP_ }, { "jar", ZIP_ }, { "apk", ZIP_ }, { "gz", GZIP_ }, { "tgz", GZIP_ }, { "pdf", PDF_ },
	{ "gif", GIF_ }, { "png", PNG_ }, { "jpg", JPG_ }, { "jpeg", JPG_ }, { "ico", ICO_ },
};

static enum make kind_of(const char *path, const char *accept)
{
	size_t n = strcspn(path, "?#;"), dot = n;

	while (dot && path[dot - 1] != '.' && path[dot - 1] != '/')
		dot--;
	if (dot && path[dot - 1] == '.')
		for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
			if (strlen(kinds[i].extension) == n - dot && !strncasecmp(kinds[i].extension, path + dot, n - dot))
				return kinds[i].make;
	if (strstr(accept, "application/json"))
		return JSON_;
	return PAGE_;
}

const char *content_of(const struct net *n, const char *path, const char *accept, struct buf *out)
{
	switch (kind_of(path, accept)) {
	case PAGE_: buf_adds(out, serve_text(n, "http", "page", PAGE)); return "text/html";
	case TEXT_: buf_adds(out, serve_text(n, "http", "text", TEXT)); return "text/plain";
	case JSON_: buf_adds(out, serve_text(n, "http", "json", "{\"status\":\"ok\"}\n")); return "application/json";
	case XML_: buf_adds(out, "<?xml version=\"1.0\"?>\n<response><status>ok</status></response>\n"); return "text/xml";
	case CSS_: buf_adds(out, "body { margin: 0; }\n"); return "text/css";
	case JS_: buf_adds(out, "\"use strict\";\n"); return "application/javascript";
	case SCRIPT_: buf_adds(out, "#!/bin/sh\nexit 0\n"); return "text/x-sh";
	case ELF_: files_elf(out); return "application/octet-stream";
	case EXE_: files_pe(out, false); return "application/x-msdownload";
	case DLL_: files_pe(out, true); return "application/x-msdownload";
	case ZIP_: files_zip(out, "readme.txt", TEXT); return "application/zip";
	case GZIP_: files_gzip(out, TEXT); return "application/gzip";
	case PDF_: files_pdf(out, "Welcome"); return "application/pdf";
	case GIF_: files_image(out, "gif"); return "image/gif";
	case PNG_: files_image(out, "png"); return "image/png";
	case JPG_: files_image(out, "jpg"); return "image/jpeg";
	case ICO_: files_image(out, "ico"); return "image/x-icon";
	}
	return "application/octet-stream";
}
