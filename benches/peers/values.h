/* SPDX-License-Identifier: MIT */
/*
 * C++: queues of values as peers. Messages of one size are values of that size; mixed ones go as
 * pointers to buffers of a pool that is allocated beforehand. A family gives for each queue
 *
 *     template <class T> struct its_queue {
 *         static constexpr bool batches, in_place;
 *         explicit its_queue(const peer_run &run);
 *         struct sender   { explicit sender(its_queue &); void push(const T &);
 *                           void push_n(const T *from, uint32_t n); };
 *         struct receiver { explicit receiver(its_queue &); void pop(T &);
 *                           uint32_t pop_n(T *to, uint32_t most); };
 *     };
 *
 * where push waits for room and pop for a value. Without batches there is no push_n and no pop_n;
 * with in_place the receiver has T &front(), which waits, and drop() instead of pop.
 */
#ifndef BENCH_PEER_VALUES_H
#define BENCH_PEER_VALUES_H

#include <benches/peers/loops.h>
#include <benches/peers/pool.h>
#include <cerrno>
#include <cstdio>
#include <exception>
#include <memory>
#include <new>
#include <vector>

namespace values
{

/* What senders build as words, and receivers read as words. */
template <uint32_t Size> struct __attribute__((may_alias)) message {
    uint64_t words[Size / 8];
};

/* --- messages of one size: the value is the message ------------------------------------------- */

template <uint32_t Size> struct by_value {
    static constexpr uint32_t size = Size;
    using type = message<Size>;

    struct packer {
        explicit packer(const peer_run &) {}
        const type &pack(const void *data, uint32_t) { return *static_cast<const type *>(data); }
        const type *pack_n(const peer_vec *vec, uint32_t)
        {
            return static_cast<const type *>(vec[0].data); /* they lie side by side */
        }
    };

    struct unpacker {
        type *room(peer_tally *tally) { return reinterpret_cast<type *>(tally->copy); }
        void unpack(const type *from, uint32_t n, peer_msg *msgs)
        {
            for (uint32_t i = 0; i < n; i++)
                peer_msg_set(&msgs[i], from + i, Size);
        }
        void done() {}
    };
};

/* --- mixed messages: the value is a pointer --------------------------------------------------- */

struct by_pointer {
    static constexpr uint32_t size = PEER_MIXED;
    using type = pool_buffer *;

    class packer
    {
        pool own;
        pool_buffer *row[PEER_BATCH_MAX];

      public:
        explicit packer(const peer_run &run)
        {
            if (pool_open(&own, &run) != 0)
                throw std::bad_alloc();
        }
        packer(const packer &) = delete;
        ~packer() { pool_close(&own); }
        pool_buffer *pack(const void *data, uint32_t length)
        {
            return pool_fill(&own, data, length);
        }
        pool_buffer **pack_n(const peer_vec *vec, uint32_t n)
        {
            for (uint32_t i = 0; i < n; i++)
                row[i] = pool_fill(&own, vec[i].data, static_cast<uint32_t>(vec[i].size));
            return row;
        }
    };

    class unpacker
    {
        pool_buffer *row[PEER_BATCH_MAX]; /* room for the queue's copies */
        pool_buffer *read[PEER_BATCH_MAX];
        uint32_t count = 0;

      public:
        pool_buffer **room(peer_tally *) { return row; }
        void unpack(pool_buffer *const *from, uint32_t n, peer_msg *msgs)
        {
            for (uint32_t i = 0; i < n; i++) {
                read[i] = from[i];
                peer_msg_set(&msgs[i], from[i] + 1, from[i]->size);
            }
            count = n;
        }
        void done()
        {
            for (uint32_t i = 0; i < count; i++)
                pool_release(read[i]);
        }
    };
};

/* --- a queue of one kind of values as a peer -------------------------------------------------- */

template <template <class> class Queue, class Payload> struct entry {
    using type = typename Payload::type;
    using queue_type = Queue<type>;

    struct alignas(128) producer {
        typename queue_type::sender sender;
        typename Payload::packer packer;
    };
    struct alignas(128) consumer {
        typename queue_type::receiver receiver;
        typename Payload::unpacker unpacker;
    };
    struct channel {
        peer_run run;
        queue_type queue;
        std::vector<std::unique_ptr<producer>> producers; /* gone before the queue is */
        std::vector<std::unique_ptr<consumer>> consumers;

        explicit channel(const peer_run &asked) : run(asked), queue(asked) {}
    };

    PEER_INLINE int send(void *handle, const void *data, uint32_t size)
    {
        producer *self = static_cast<producer *>(handle);

        self->sender.push(self->packer.pack(data, size));
        return 0;
    }

    PEER_INLINE int send_n(void *handle, const peer_vec *vec, uint32_t n)
    {
        producer *self = static_cast<producer *>(handle);

        self->sender.push_n(self->packer.pack_n(vec, n), n);
        return 0;
    }

    PEER_INLINE int recv(void *handle, peer_msg *msg, peer_tally *tally)
    {
        consumer *self = static_cast<consumer *>(handle);

        if constexpr (queue_type::in_place) {
            self->unpacker.unpack(&self->receiver.front(), 1, msg);
        } else {
            type *room = self->unpacker.room(tally);
            self->receiver.pop(*room);
            self->unpacker.unpack(room, 1, msg);
        }
        return 0;
    }

    PEER_INLINE int recv_n(void *handle, peer_msg *msgs, uint32_t most, peer_tally *tally)
    {
        consumer *self = static_cast<consumer *>(handle);
        type *room = self->unpacker.room(tally);
        uint32_t n = self->receiver.pop_n(room, most);

        self->unpacker.unpack(room, n, msgs);
        return static_cast<int>(n);
    }

    PEER_INLINE void done(void *handle)
    {
        consumer *self = static_cast<consumer *>(handle);

        if constexpr (queue_type::in_place)
            self->receiver.drop();
        self->unpacker.done();
    }

    PEER_INLINE void done_n(void *handle) { static_cast<consumer *>(handle)->unpacker.done(); }

    template <uint32_t Size> static int produce_size(void *handle, peer_source *source)
    {
        static constexpr peer_calls singles = {send, nullptr, nullptr, nullptr, nullptr};

        if constexpr (queue_type::batches) {
            static constexpr peer_calls batches = {nullptr, nullptr, send_n, nullptr, nullptr};
            if (source->batch > 1)
                return peer_produce_batches(handle, source, Size, &batches);
        }
        return peer_produce_singles(handle, source, Size, &singles);
    }

    static int produce(void *handle, peer_source *source)
    {
        /* The stop has 16 bytes in a mixed run. */
        if constexpr (Payload::size == PEER_MIXED)
            if (source->size != PEER_MIXED)
                return produce_size<16>(handle, source);
        return produce_size<Payload::size>(handle, source);
    }

    static int consume(void *handle, peer_tally *tally)
    {
        static constexpr peer_calls singles = {nullptr, recv, nullptr, nullptr, done};

        if constexpr (queue_type::batches) {
            static constexpr peer_calls batches = {nullptr, nullptr, nullptr, recv_n, done_n};
            if (tally->batch > 1)
                return peer_consume_batches(handle, tally, Payload::size, &batches);
        }
        return peer_consume_singles(handle, tally, Payload::size, &singles);
    }

    /* The harness is C: nothing may be thrown through it. */
    template <class Body> static int guarded(Body body)
    {
        try {
            body();
            return 0;
        } catch (const std::exception &problem) {
            fprintf(stderr, "%s\n", problem.what());
            return -ENOMEM;
        }
    }

    static int open(const peer_run *run, void **out)
    {
        return guarded([=] { *out = new channel(*run); });
    }

    static void close(void *queue) { delete static_cast<channel *>(queue); }

    static int open_producer(void *queue, void **out)
    {
        channel *self = static_cast<channel *>(queue);

        return guarded([=] {
            self->producers.emplace_back(new producer{typename queue_type::sender(self->queue),
                                                      typename Payload::packer(self->run)});
            *out = self->producers.back().get();
        });
    }

    static int open_consumer(void *queue, uint32_t, void **out)
    {
        channel *self = static_cast<channel *>(queue);

        return guarded([=] {
            self->consumers.emplace_back(
                new consumer{typename queue_type::receiver(self->queue), {}});
            *out = self->consumers.back().get();
        });
    }

    static constexpr peer as_peer(const char *name, unsigned traits)
    {
        return peer{name,
                    Payload::size,
                    traits | PEER_MIXES | (queue_type::batches ? unsigned{PEER_BATCHES} : 0u),
                    open,
                    close,
                    open_producer,
                    open_consumer,
                    produce,
                    consume,
                    nullptr};
    }
};

} // namespace values

/* The entries of one queue, to be listed in peer_all. */
#define VALUES_PEER(name, queue, traits)                                     \
    values::entry<queue, values::by_value<16>>::as_peer(name, traits),       \
        values::entry<queue, values::by_value<64>>::as_peer(name, traits),   \
        values::entry<queue, values::by_value<512>>::as_peer(name, traits),  \
        values::entry<queue, values::by_value<4096>>::as_peer(name, traits), \
        values::entry<queue, values::by_pointer>::as_peer(name, traits)

#endif
