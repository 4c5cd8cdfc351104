// SPDX-License-Identifier: BSD-3-Clause
// The start of EAL and of ports: what works, and the line that each failure gives.
#define _GNU_SOURCE
#include "eal_fixture.h"

#include <errno.h>
#include <unistd.h>

#include "dataplane/port.h"

#define OURS 0x0a000001u // 10.0.0.1/24

static struct eal_fixture f;

static const struct port_config config = {
	.driver = PORT_RING,
	.ip = OURS,
	.prefix_bits = 24,
	.udp_port = 5000,
	.mtu = 1500,
	.mbufs = FIXTURE_MBUFS,
};

static void bare_up(void)
{
	directory_up(&f);
}

static void bare_down(void)
{
	directory_down(&f);
}

static void null_up(void)
{
	eal_up(&f, "net_null0,no-rx=1");
}

static void null_down(void)
{
	eal_down(&f);
}

TestSuite(eal, .init = bare_up, .fini = bare_down, .timeout = 20);
TestSuite(port, .init = null_up, .fini = null_down, .timeout = 20);

// ---- EAL --------------------------------------------------------------------------------------

Test(eal, says_who_has_the_prefix)
{
	struct eal_config c = eal_fixture_config();
	struct eal first, second;
	char who[64];

	cr_assert_eq(eal_start(&first, &c, &f.error), 0, "%s", f.error.text);
	cr_assert_not(first.is_huge);
	cr_assert_eq(eal_start(&second, &c, &f.error), -EBUSY);
	snprintf(who, sizeof(who), "\"unit\" is in use by process %d:", (int)getpid());
	cr_assert_not_null(strstr(f.error.text, who), "%s", f.error.text);
	eal_stop(&first);
}

Test(eal, says_that_a_driver_is_missing)
{
	struct eal_config c = eal_fixture_config();
	struct eal eal;

	c.vdevs[c.vdev_count++] = "net_nosuchdriver0";
	cr_assert_eq(eal_start(&eal, &c, &f.error), -ENODEV, "%s", f.error.text);
	cr_assert_not_null(strstr(f.error.text, "install"), "%s", f.error.text);
	cr_assert_not_null(strstr(f.error.text, "net_nosuchdriver0"), "%s", f.error.text);
	cr_assert_null(strchr(f.error.text, '\n'));
}

Test(eal, says_how_to_make_hugepages)
{
	struct eal_config c = eal_fixture_config();
	struct eal eal;

	c.pages = EAL_PAGES_HUGE;
	c.memory_bytes = 1ull << 42;
	cr_assert_eq(eal_start(&eal, &c, &f.error), -ENOMEM);
	cr_assert_not_null(strstr(f.error.text,
				  "reserve 2097152 more of 2 MiB (sysctl vm.nr_hugepages)"),
			   "%s", f.error.text);
}

Test(eal, refuses_what_cannot_be)
{
	struct eal_config c = eal_fixture_config();
	struct eal eal;

	c.prefix = "../x";
	cr_assert_eq(eal_start(&eal, &c, &f.error), -EINVAL);
	cr_assert_not_null(strstr(f.error.text, "../x"));
	c = eal_fixture_config();
	c.cpus[0] = 1000;
	cr_assert_eq(eal_start(&eal, &c, &f.error), -EINVAL);
	cr_assert_not_null(strstr(f.error.text, "CPU 1000"), "%s", f.error.text);
	c = eal_fixture_config();
	c.cpu_count = 0;
	cr_assert_eq(eal_start(&eal, &c, &f.error), -EINVAL);
}

Test(eal, says_that_the_runtime_directory_is_closed)
{
	struct eal_config c = eal_fixture_config();
	struct eal eal;

	setenv("RUNTIME_DIRECTORY", "/nonexistent", 1);
	cr_assert_eq(eal_start(&eal, &c, &f.error), -ENOENT);
	cr_assert_not_null(strstr(f.error.text, "RUNTIME_DIRECTORY"), "%s", f.error.text);
}

// ---- ports ------------------------------------------------------------------------------------

Test(port, of_null_starts_and_stops_with_a_queue_a_core)
{
	struct port_config c = config;
	struct port_stats stats;
	struct port port;
	char device[64];

	c.driver = PORT_NULL;
	cr_assert_eq(port_device(&c, 0, 3, device, sizeof(device)), 0);
	cr_assert_str_eq(device, "net_null0,no-rx=1");
	cr_assert_eq(port_open(&port, &c, 0, 3, &f.error), 0, "%s", f.error.text);
	cr_assert_eq(port_start(&port, &f.error), 0, "%s", f.error.text);
	cr_assert_eq(port.queues, 3);
	for (uint32_t core = 0; core < 3; core++)
		cr_assert_eq(port_queue(&port, core), core);
	cr_assert(port_link_get(&port).is_up);
	port_stats_get(&port, &stats);
	cr_assert_eq(stats.rx_packets, 0);
	port_stop(&port);
	port_close(&port);
}

Test(port, with_one_queue_has_one_owner)
{
	struct port_config c = config;
	struct port port;

	c.driver = PORT_NULL;
	c.queues = 1;
	c.first_core = 1;
	cr_assert_eq(port_open(&port, &c, 0, 3, &f.error), 0, "%s", f.error.text);
	cr_assert_eq(port_queue(&port, 0), PORT_NO_QUEUE);
	cr_assert_eq(port_queue(&port, 1), 0);
	cr_assert_eq(port_queue(&port, 2), PORT_NO_QUEUE);
	port_close(&port);
}

Test(port, refuses_what_cannot_be)
{
	struct port_config c = config;
	struct port port;

	c.driver = PORT_NULL;
	cr_assert_eq(port_open(&port, &c, 7, 1, &f.error), -ENODEV);
	cr_assert_not_null(strstr(f.error.text, "net_null7"), "%s", f.error.text);
	c.mtu = 500;
	cr_assert_eq(port_open(&port, &c, 0, 1, &f.error), -EINVAL);
	c.mtu = 1500;
	c.gateway = 0x0b000001;
	cr_assert_eq(port_open(&port, &c, 0, 1, &f.error), -EINVAL);
	cr_assert_not_null(strstr(f.error.text, "gateway"), "%s", f.error.text);
}

Test(port, says_what_is_wrong_with_an_interface)
{
	struct port_config c = config;

	c.driver = PORT_AF_PACKET;
	c.interface = "gw-nosuch0";
	if (geteuid() != 0) {
		cr_assert_eq(port_check(&c, &f.error), -EPERM);
		cr_assert_not_null(strstr(f.error.text, "CAP_NET_RAW"), "%s", f.error.text);
		return;
	}
	cr_assert_eq(port_check(&c, &f.error), -ENODEV);
	cr_assert_not_null(strstr(f.error.text, "namespace"), "%s", f.error.text);
}

Test(port, gives_af_packet_frames_that_hold_jumbo_packets)
{
	struct port_config c = config;
	char device[128];

	c.driver = PORT_AF_PACKET;
	c.interface = "eth7";
	cr_assert_eq(port_device(&c, 2, 2, device, sizeof(device)), 0);
	cr_assert_str_eq(device, "net_af_packet2,iface=eth7,qpairs=2");
	c.mtu = 9000;
	cr_assert_eq(port_device(&c, 2, 2, device, sizeof(device)), 0);
	cr_assert_str_eq(device, "net_af_packet2,iface=eth7,qpairs=2,framesz=16384,blocksz=16384");
	c.descriptors = 4096;
	cr_assert_eq(port_device(&c, 2, 2, device, sizeof(device)), 0);
	cr_assert_str_eq(device, "net_af_packet2,iface=eth7,qpairs=2,framesz=16384,blocksz=16384,"
				 "framecnt=4096");
	cr_assert_eq(port_device(&c, 2, 2, device, 20), -ENOSPC);
}
