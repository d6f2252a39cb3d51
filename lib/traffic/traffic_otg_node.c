/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Places in an OTG file, and the values there. A line about an error names the path of the key and
 * the value, both as the file has them, so it may contain any character: characters that are not
 * printable ASCII become '?', and long values are cut, so that one line remains.
 */

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "traffic_otg.h"

/* Characters of one key and of one value in a line about an error, at most. */
#define SHOWN 40

struct otg_node
otg_member(const struct otg_node *up, const char *key)
{
	struct otg_node n = { .up = up, .key = key, .err = up->err };

	n.json = json_object_get(up->json, key);
	return n;
}

struct otg_node
otg_element(const struct otg_node *up, size_t index)
{
	struct otg_node n = { .up = up, .index = index, .err = up->err };

	n.json = json_array_get(up->json, index);
	return n;
}

/* Append to the line about an error, as far as there is room. */
static void __attribute__((format(printf, 2, 0)))
append_list(char *err, const char *fmt, va_list ap)
{
	size_t len = strlen(err);

	vsnprintf(err + len, TRAFFIC_ERR_LEN - len, fmt, ap);
	for (; err[len] != '\0'; len++)
		if (!isascii((unsigned char)err[len]) || !isprint((unsigned char)err[len]))
			err[len] = '?';
}

static void __attribute__((format(printf, 2, 3))) append(char *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	append_list(err, fmt, ap);
	va_end(ap);
}

/* Append the path of a node. The whole file has none. */
static void
append_path(const struct otg_node *n)
{
	if (n->up == NULL)
		return;
	append_path(n->up);
	if (n->key == NULL)
		append(n->err, "[%zu]", n->index);
	else
		append(n->err, "%s%.*s", n->up->up == NULL ? "" : ".", SHOWN, n->key);
}

/* Append the value of a node. */
static void
append_value(const struct otg_node *n)
{
	char number[SHOWN];
	size_t len;

	if (json_is_object(n->json)) {
		append(n->err, "an object: ");
	} else if (json_is_array(n->json)) {
		append(n->err, "an array: ");
	} else if (json_is_string(n->json)) {
		append(n->err, "\"%.*s%s\": ", SHOWN, json_string_value(n->json),
				json_string_length(n->json) > SHOWN ? "..." : "");
	} else if (n->json != NULL) {
		len = json_dumpb(n->json, number, sizeof(number), JSON_ENCODE_ANY);
		append(n->err, "%.*s: ", (int)(len < SHOWN ? len : SHOWN), number);
	}
}

int
otg_refuse(const struct otg_node *n, const char *fmt, ...)
{
	va_list ap;

	n->err[0] = '\0';
	append_path(n);
	append(n->err, "%s", n->up == NULL ? "" : ": ");
	va_start(ap, fmt);
	append_list(n->err, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

int
otg_refuse_value(const struct otg_node *n, const char *fmt, ...)
{
	va_list ap;

	otg_refuse(n, "%s", "");
	append_value(n);
	va_start(ap, fmt);
	append_list(n->err, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

int
otg_no_memory(const struct otg_node *n)
{
	otg_refuse(n, "no memory");
	return -ENOMEM;
}

/* Return the index of a name; that of NULL at the end: the list lacks it. */
static unsigned int
find_name(const char *const *names, const char *name)
{
	unsigned int i;

	for (i = 0; names[i] != NULL && strcmp(names[i], name) != 0; i++)
		;
	return i;
}

int
otg_keys(const struct otg_node *n, const char *const *names)
{
	struct otg_node member;
	const char *key;
	json_t *value;

	if (n->json == NULL)
		return 0;
	if (!json_is_object(n->json))
		return otg_refuse_value(n, "expected an object");
	json_object_foreach((json_t *)n->json, key, value)
	{
		member = otg_member(n, key);
		if (names[find_name(names, key)] == NULL)
			return otg_refuse(&member, "unknown key, or not supported");
	}
	return 0;
}

int
otg_choice(const struct otg_node *n, const char *const *names, unsigned int *chosen)
{
	const struct otg_node choice = otg_member(n, "choice");
	struct otg_node member;
	const char *name = NULL;
	unsigned int i;
	int ret;

	ret = otg_string(&choice, &name);
	if (ret != 0)
		return ret;
	if (name != NULL && names[find_name(names, name)] == NULL)
		return otg_refuse_value(&choice, "unknown, or not supported");
	*chosen = name != NULL ? find_name(names, name) : 0;
	for (i = 0; names[i] != NULL; i++) {
		member = otg_member(n, names[i]);
		if (member.json == NULL)
			continue;
		if (name == NULL)
			name = names[i];
		*chosen = find_name(names, name);
		if (*chosen != i)
			return otg_refuse(&member, "%s is chosen, and excludes it", name);
	}
	return 0;
}

int
otg_array(const struct otg_node *n, size_t *count)
{
	*count = json_array_size(n->json);
	if (n->json != NULL && !json_is_array(n->json))
		return otg_refuse_value(n, "expected an array");
	return 0;
}

int
otg_empty(const struct otg_node *n)
{
	bool is_container = json_is_array(n->json) || json_is_object(n->json);

	if (n->json == NULL)
		return 0;
	if (!is_container || json_array_size(n->json) + json_object_size(n->json) > 0)
		return otg_refuse(n, "not supported, unless it is empty");
	return 0;
}

/* Read a string of digits. Return false: it is something else, or has more than 64 bits. */
static bool
read_digits(const char *text, uint64_t *value)
{
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	*value = strtoull(text, &end, 10);
	return errno == 0 && *end == '\0';
}

/* Take an integer, if it is in a range. */
static int
take_integer(const struct otg_node *n, uint64_t v, uint64_t min, uint64_t max, uint64_t *value)
{
	if (v < min)
		return otg_refuse_value(n, "expected %" PRIu64 " or more", min);
	if (v > max)
		return otg_refuse_value(n, "expected %" PRIu64 " or less", max);
	*value = v;
	return 0;
}

int
otg_integer(const struct otg_node *n, uint64_t min, uint64_t max, uint64_t *value)
{
	json_int_t v;

	if (n->json == NULL)
		return 0;
	if (!json_is_integer(n->json))
		return otg_refuse_value(n, "expected an integer");
	v = json_integer_value(n->json);
	if (v < 0)
		return otg_refuse_value(n, "expected %" PRIu64 " or more", min);
	return take_integer(n, v, min, max, value);
}

int
otg_integer64(const struct otg_node *n, uint64_t min, uint64_t max, uint64_t *value)
{
	uint64_t v;

	if (!json_is_string(n->json))
		return otg_integer(n, min, max, value);
	if (!read_digits(json_string_value(n->json), &v))
		return otg_refuse_value(n, "expected an integer of 64 bits");
	return take_integer(n, v, min, max, value);
}

int
otg_number(const struct otg_node *n, double min, double max, double *value)
{
	double v;

	if (n->json == NULL)
		return 0;
	if (!json_is_number(n->json))
		return otg_refuse_value(n, "expected a number");
	v = json_number_value(n->json);
	if (v < min)
		return otg_refuse_value(n, "expected %.15g or more", min);
	if (v > max)
		return otg_refuse_value(n, "expected %.15g or less", max);
	*value = v;
	return 0;
}

int
otg_bool(const struct otg_node *n, bool *value)
{
	if (n->json == NULL)
		return 0;
	if (!json_is_boolean(n->json))
		return otg_refuse_value(n, "expected true or false");
	*value = json_is_true(n->json);
	return 0;
}

int
otg_string(const struct otg_node *n, const char **value)
{
	if (n->json == NULL)
		return 0;
	if (!json_is_string(n->json))
		return otg_refuse_value(n, "expected a string");
	*value = json_string_value(n->json);
	return 0;
}
