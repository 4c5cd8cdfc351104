// SPDX-License-Identifier: BSD-3-Clause
//
// Fields of answers of a server. What an answer lacks is 0 or "-".
#ifndef CLIENT_TOOLS_FIELDS_H
#define CLIENT_TOOLS_FIELDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

static inline bool field_is_there(const json_t *object, const char *key)
{
	return json_object_get(object, key) != NULL;
}

static inline uint64_t field_count(const json_t *object, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(object, key));
}

static inline const char *field_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text != NULL && *text != '\0' ? text : "-";
}

#endif
