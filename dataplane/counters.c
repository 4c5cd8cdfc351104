// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/counters.h"

const struct counter_info counter_infos[COUNTERS] = {
#define X(name, unit, help) [COUNTER_##name] = {#name, unit, help},
#include "dataplane/counters.def"
#undef X
};

const struct counter_info drop_infos[DROPS] = {
#define X(name, help) [DROP_##name] = {#name, "packets", help},
#include "dataplane/drops.def"
#undef X
};
