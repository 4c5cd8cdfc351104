// SPDX-License-Identifier: BSD-3-Clause
#include "control/admin_tell.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

uint64_t admin_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * CONFIG_S + (uint64_t)now.tv_nsec;
}

bool admin_numbers(const char *params, uint64_t *values, uint32_t count)
{
	char *end;

	if (params == NULL || *params == '\0')
		return true;
	for (uint32_t i = 0; i < count; i++) {
		if (*params < '0' || *params > '9')
			return false;
		errno = 0;
		values[i] = strtoull(params, &end, 10);
		if (errno != 0 || (*end != ',' && *end != '\0'))
			return false;
		if (*end == '\0')
			return true;
		params = end + 1;
	}
	return false;
}

int tell_dict(struct rte_tel_data *data, const char *name, struct rte_tel_data **inner)
{
	int rc;

	*inner = rte_tel_data_alloc();
	if (*inner == NULL)
		return -ENOMEM;
	rte_tel_data_start_dict(*inner);
	rc = rte_tel_data_add_dict_container(data, name, *inner, 0);
	if (rc != 0) {
		rte_tel_data_free(*inner);
		*inner = NULL;
	}
	return rc;
}

int tell_numbered(struct rte_tel_data *data, uint64_t number, struct rte_tel_data **inner)
{
	char name[24];

	snprintf(name, sizeof(name), "%" PRIu64, number);
	return tell_dict(data, name, inner);
}

void tell_known(struct rte_tel_data *data, const char *name, uint64_t count)
{
	if (count != VIEW_NEVER)
		tell_count(data, name, count);
}

void tell_flag(struct rte_tel_data *data, const char *name, bool is_set)
{
	tell_count(data, name, is_set);
}

void tell_id(struct rte_tel_data *data, const char *name, uint64_t id)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, id);
	tell_text(data, name, text);
}

void tell_session(struct rte_tel_data *data, const char *name, uint64_t session)
{
	char text[24];

	snprintf(text, sizeof(text), "%016" PRIx64, session);
	tell_text(data, name, text);
}

void tell_address(struct rte_tel_data *data, const char *name, const struct godwit_address *address)
{
	char host[INET6_ADDRSTRLEN], text[INET6_ADDRSTRLEN + 16];
	bool is_v4 = godwit_address_is_v4(address);

	inet_ntop(is_v4 ? AF_INET : AF_INET6, address->ip + (is_v4 ? 12 : 0), host, sizeof(host));
	snprintf(text, sizeof(text), is_v4 ? "%s:%u" : "[%s]:%u", host, address->port);
	tell_text(data, name, text);
}

void tell_identifier(struct rte_tel_data *data, const char *name,
		     const struct godwit_identifier *identifier)
{
	char text[64];

	snprintf(text, sizeof(text), "%016" PRIx64 ":%" PRIu64 ":%" PRIu32, identifier->session,
		 identifier->seq, identifier->epoch);
	tell_text(data, name, text);
}
