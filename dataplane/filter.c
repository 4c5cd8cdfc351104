// SPDX-License-Identifier: BSD-3-Clause
//
// Three tables, all of them sized at create:
//
//   sets    pages of PAGE_TOPICS; a set lies whole in one page, as topics and, in parallel, the
//           link of each topic. Sets of one page are listed by address, so that a page closes its
//           holes by itself when it is needed: one page moves, never the pool. With `pages` as
//           below some page always has room for the largest set, so the pool fails only when
//           topics_max is used up.
//   links   one for each topic of each class, in a doubly linked list per topic: a class leaves
//           the index without a walk of its topics' lists.
//   slots   topic -> head of its list. Open addressing at a load of one half at most; removal
//           shifts back what follows, so there are no tombstones.
#include "dataplane/filter.h"

#include <errno.h>
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "dataplane/log.h"

#define PAGE_TOPICS 2048u
#define TOPICS_MAX  (1u << 30) // keeps every index and table size below 2^32

struct set_page {
	uint32_t oldest, newest; // its classes, by address
	uint32_t used;		 // topics of live sets
	uint32_t end;		 // above the newest set
};

// The private half of a class.
struct class_place {
	uint32_t hash_next;		 // also the free list
	uint32_t page_older, page_newer; // neighbours by address in the page
};

struct link {
	uint32_t class;
	uint32_t next, prev; // of the topic; next is also the free list
};

struct topic_slot {
	uint32_t topic;
	uint32_t head; // FILTER_NONE: the slot is empty
};

struct filters {
	struct filter_class *classes;
	struct class_place *places;
	uint32_t *class_heads; // by hash
	struct set_page *pages;
	uint32_t *set_topics, *set_links;
	struct link *links;
	struct topic_slot *slots;
	uint32_t class_mask, slot_mask;
	uint32_t page_count, page_now; // page_now: where the newest set went
	uint32_t class_free, link_free;
	uint32_t topics_left;
};

// Numbers of entries and where the arrays lie in the one block of memory.
struct shape {
	uint64_t pages, class_heads, slots;
	uint64_t places_at, class_heads_at, pages_at, set_topics_at, set_links_at, links_at,
		slots_at;
	uint64_t bytes;
};

static uint64_t power_of_two_from(uint64_t n)
{
	uint64_t p = 1;

	while (p < n)
		p *= 2;
	return p;
}

static struct shape filters_shape(uint32_t classes_max, uint32_t topics_max)
{
	struct shape s = {0};

	// If no page had GODWIT_FILTER_TOPICS left, more than topics_max would be in use.
	s.pages = topics_max / (PAGE_TOPICS - GODWIT_FILTER_TOPICS + 1) + 1;
	s.class_heads = power_of_two_from(classes_max);
	s.slots = power_of_two_from(2 * (uint64_t)topics_max);

	s.bytes = (sizeof(struct filters) + 63) & ~63ull; // the classes come first
	s.bytes += classes_max * sizeof(struct filter_class);
	s.places_at = s.bytes;
	s.bytes += classes_max * sizeof(struct class_place);
	s.class_heads_at = s.bytes;
	s.bytes += s.class_heads * sizeof(uint32_t);
	s.pages_at = s.bytes;
	s.bytes += s.pages * sizeof(struct set_page);
	s.set_topics_at = s.bytes;
	s.bytes += s.pages * PAGE_TOPICS * sizeof(uint32_t);
	s.set_links_at = s.bytes;
	s.bytes += s.pages * PAGE_TOPICS * sizeof(uint32_t);
	s.links_at = s.bytes;
	s.bytes += topics_max * sizeof(struct link);
	s.slots_at = (s.bytes + 7) & ~7ull;
	s.bytes = s.slots_at + s.slots * sizeof(struct topic_slot);
	return s;
}

uint64_t filters_bytes(uint32_t classes_max, uint32_t topics_max)
{
	return filters_shape(classes_max, topics_max).bytes;
}

struct filters *filters_create(uint32_t classes_max, uint32_t topics_max)
{
	struct shape s = filters_shape(classes_max, topics_max);
	struct filters *f = NULL;
	uint8_t *block = NULL;

	if (classes_max > 0 && classes_max <= TOPICS_MAX && topics_max > 0 &&
	    topics_max <= TOPICS_MAX)
		block = calloc(1, s.bytes);
	if (block == NULL) {
		errno = ENOMEM;
		return NULL;
	}
	// FILTER_NONE everywhere; it also brings every page in before the loop runs.
	memset(block, 0xff, s.bytes);
	f = (struct filters *)block;
	*f = (struct filters){
		.classes = (struct filter_class *)(block + ((sizeof(*f) + 63) & ~63ull)),
		.places = (struct class_place *)(block + s.places_at),
		.class_heads = (uint32_t *)(block + s.class_heads_at),
		.pages = (struct set_page *)(block + s.pages_at),
		.set_topics = (uint32_t *)(block + s.set_topics_at),
		.set_links = (uint32_t *)(block + s.set_links_at),
		.links = (struct link *)(block + s.links_at),
		.slots = (struct topic_slot *)(block + s.slots_at),
		.class_mask = (uint32_t)s.class_heads - 1,
		.slot_mask = (uint32_t)(s.slots - 1),
		.page_count = (uint32_t)s.pages,
		.topics_left = topics_max,
	};
	for (uint32_t i = 0; i < classes_max; i++) {
		f->classes[i] = (struct filter_class){.members = FILTER_NONE, .open = FILTER_NONE};
		f->places[i].hash_next = i + 1 < classes_max ? i + 1 : FILTER_NONE;
	}
	for (uint32_t i = 0; i < topics_max; i++)
		f->links[i].next = i + 1 < topics_max ? i + 1 : FILTER_NONE;
	for (uint32_t i = 0; i < f->page_count; i++)
		f->pages[i].used = f->pages[i].end = 0;
	return f;
}

void filters_destroy(struct filters *filters)
{
	free(filters);
}

uint64_t filter_hash(const uint32_t *topics, uint32_t count)
{
	uint64_t hash = XXH3_64bits(topics, count * sizeof(*topics));

	return hash != 0 ? hash : 1;
}

bool filter_is_set(const uint32_t *topics, uint32_t count)
{
	if (count < 1 || count > GODWIT_FILTER_TOPICS)
		return false;
	for (uint32_t i = 1; i < count; i++) {
		if (topics[i - 1] >= topics[i])
			return false;
	}
	return true;
}

// ---- topic slots ----------------------------------------------------------------------------

static uint32_t slot_home(const struct filters *f, uint32_t topic)
{
	return (uint32_t)XXH3_64bits(&topic, sizeof(topic)) & f->slot_mask;
}

// The slot of the topic, or the empty one where it would go. At most half of the slots are taken.
static uint32_t slot_find(const struct filters *f, uint32_t topic)
{
	uint32_t at = slot_home(f, topic);

	while (f->slots[at].head != FILTER_NONE && f->slots[at].topic != topic)
		at = (at + 1) & f->slot_mask;
	return at;
}

// Empty a slot and move back each of those behind it that could be reached only across it.
static void slot_remove(struct filters *f, uint32_t hole)
{
	uint32_t at = hole;

	for (;;) {
		at = (at + 1) & f->slot_mask;
		if (f->slots[at].head == FILTER_NONE)
			break;
		uint32_t way = (at - slot_home(f, f->slots[at].topic)) & f->slot_mask;
		if (way >= ((at - hole) & f->slot_mask)) {
			f->slots[hole] = f->slots[at];
			hole = at;
		}
	}
	f->slots[hole].head = FILTER_NONE;
}

// ---- links -----------------------------------------------------------------------------------

static uint32_t link_add(struct filters *f, uint32_t number, uint32_t topic)
{
	uint32_t it = f->link_free;
	struct topic_slot *slot = &f->slots[slot_find(f, topic)];

	assert(it != FILTER_NONE); // topics_left was asked
	f->link_free = f->links[it].next;
	f->links[it] = (struct link){.class = number, .next = slot->head, .prev = FILTER_NONE};
	if (slot->head != FILTER_NONE)
		f->links[slot->head].prev = it;
	*slot = (struct topic_slot){.topic = topic, .head = it};
	return it;
}

static void link_remove(struct filters *f, uint32_t it, uint32_t topic)
{
	struct link *link = &f->links[it];

	if (link->next != FILTER_NONE)
		f->links[link->next].prev = link->prev;
	if (link->prev != FILTER_NONE) {
		f->links[link->prev].next = link->next;
	} else {
		uint32_t at = slot_find(f, topic);

		assert(f->slots[at].head == it);
		if (link->next != FILTER_NONE)
			f->slots[at].head = link->next;
		else
			slot_remove(f, at);
	}
	link->next = f->link_free;
	f->link_free = it;
}

// ---- sets ------------------------------------------------------------------------------------

// Close the holes of a page: its sets slide down in order of address.
static void page_compact(struct filters *f, uint32_t page)
{
	uint32_t to = page * PAGE_TOPICS;

	for (uint32_t n = f->pages[page].oldest; n != FILTER_NONE; n = f->places[n].page_newer) {
		struct filter_class *class = &f->classes[n];

		if (class->first != to) {
			memmove(f->set_topics + to, f->set_topics + class->first,
				class->topics * sizeof(uint32_t));
			memmove(f->set_links + to, f->set_links + class->first,
				class->topics * sizeof(uint32_t));
			class->first = to;
		}
		to += class->topics;
	}
	f->pages[page].end = to - page * PAGE_TOPICS;
	assert(f->pages[page].end == f->pages[page].used);
}

// Room for `count` topics; the pool as a whole has it (topics_left). Says where it begins.
static uint32_t set_take(struct filters *f, uint32_t number, uint32_t count)
{
	uint32_t page = f->page_now;
	struct class_place *place = &f->places[number];
	struct set_page *p = NULL;

	while (PAGE_TOPICS - f->pages[page].used < count) {
		page = page + 1 < f->page_count ? page + 1 : 0;
		assert(page != f->page_now); // see filters_shape()
	}
	f->page_now = page;
	p = &f->pages[page];
	if (PAGE_TOPICS - p->end < count)
		page_compact(f, page);

	uint32_t first = page * PAGE_TOPICS + p->end;
	place->page_older = p->newest;
	place->page_newer = FILTER_NONE;
	if (p->newest != FILTER_NONE)
		f->places[p->newest].page_newer = number;
	else
		p->oldest = number;
	p->newest = number;
	p->end += count;
	p->used += count;
	f->topics_left -= count;
	return first;
}

static void set_give_back(struct filters *f, uint32_t number)
{
	const struct filter_class *class = &f->classes[number];
	const struct class_place *place = &f->places[number];
	struct set_page *p = &f->pages[class->first / PAGE_TOPICS];

	if (place->page_older != FILTER_NONE)
		f->places[place->page_older].page_newer = place->page_newer;
	else
		p->oldest = place->page_newer;
	if (place->page_newer != FILTER_NONE) {
		f->places[place->page_newer].page_older = place->page_older;
	} else {
		p->newest = place->page_older;
		p->end = class->first % PAGE_TOPICS; // a hole below it stays until a compaction
	}
	p->used -= class->topics;
	if (p->used == 0)
		p->end = 0;
	f->topics_left += class->topics;
}

// ---- classes ---------------------------------------------------------------------------------

static uint32_t class_find(const struct filters *f, uint64_t hash, const uint32_t *topics,
			   uint32_t count)
{
	uint32_t n = f->class_heads[hash & f->class_mask];

	for (; n != FILTER_NONE; n = f->places[n].hash_next) {
		const struct filter_class *class = &f->classes[n];

		if (class->hash == hash && class->topics == count &&
		    memcmp(f->set_topics + class->first, topics, count * sizeof(*topics)) == 0)
			break;
	}
	return n;
}

uint32_t filter_hold(struct filters *filters, const uint32_t *topics, uint32_t count)
{
	uint64_t hash = filter_hash(topics, count);
	uint32_t number = class_find(filters, hash, topics, count);
	struct filter_class *class = NULL;
	uint32_t *head = &filters->class_heads[hash & filters->class_mask];

	assert(filter_is_set(topics, count));
	if (number != FILTER_NONE) {
		filters->classes[number].users++;
		return number;
	}
	number = filters->class_free;
	if (number == FILTER_NONE || count > filters->topics_left)
		return FILTER_NONE;
	filters->class_free = filters->places[number].hash_next;
	class = &filters->classes[number];
	*class = (struct filter_class){
		.hash = hash,
		.topics = count,
		.first = set_take(filters, number, count),
		.users = 1,
		.members = FILTER_NONE,
		.open = FILTER_NONE,
	};
	for (uint32_t i = 0; i < count; i++) {
		class->topic_bits |= topic_bit(topics[i]);
		filters->set_topics[class->first + i] = topics[i];
		filters->set_links[class->first + i] = link_add(filters, number, topics[i]);
	}
	filters->places[number].hash_next = *head;
	*head = number;
	return number;
}

void filter_release(struct filters *filters, uint32_t number)
{
	struct filter_class *class = &filters->classes[number];
	uint32_t *at = &filters->class_heads[class->hash & filters->class_mask];

	assert(class->users > 0);
	if (--class->users > 0)
		return;
	for (uint32_t i = class->first; i < class->first + class->topics; i++)
		link_remove(filters, filters->set_links[i], filters->set_topics[i]);
	while (*at != number)
		at = &filters->places[*at].hash_next;
	*at = filters->places[number].hash_next;
	set_give_back(filters, number);
	*class = (struct filter_class){.members = FILTER_NONE, .open = FILTER_NONE};
	filters->places[number].hash_next = filters->class_free;
	filters->class_free = number;
}

struct filter_class *filter_class(struct filters *filters, uint32_t number)
{
	return &filters->classes[number];
}

const uint32_t *filter_topics(const struct filters *filters, uint32_t number)
{
	return filters->set_topics + filters->classes[number].first;
}

bool filter_matches(const struct filters *filters, uint32_t number, uint32_t topic)
{
	const struct filter_class *class = &filters->classes[number];
	const uint32_t *set = NULL;
	uint32_t low = 0, high = class->topics;

	if ((class->topic_bits & topic_bit(topic)) == 0)
		return false;
	set = filters->set_topics + class->first;
	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (set[middle] == topic)
			return true;
		if (set[middle] < topic)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

uint32_t filter_index(const struct filters *filters, uint32_t topic)
{
	return filters->slots[slot_find(filters, topic)].head;
}

uint32_t filter_index_next(const struct filters *filters, uint32_t it)
{
	return filters->links[it].next;
}

uint32_t filter_index_class(const struct filters *filters, uint32_t it)
{
	return filters->links[it].class;
}
