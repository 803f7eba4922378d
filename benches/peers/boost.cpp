/* SPDX-License-Identifier: MIT */
/* boost::lockfree: a queue of nodes that are allocated beforehand, and a ring for two threads. */
#include <algorithm>
#include <benches/peers/values.h>
#include <boost/lockfree/queue.hpp>
#include <boost/lockfree/spsc_queue.hpp>
#include <boost/version.hpp>

namespace
{

template <class T> struct nodes {
    static constexpr bool batches = false;
    static constexpr bool in_place = false;
    /* Nodes are found by an index of 16 bits. */
    static constexpr uint32_t most = 65534;
    using kind = boost::lockfree::queue<T, boost::lockfree::fixed_sized<true>>;

    kind queue;
    enum peer_wait wait;

    explicit nodes(const peer_run &run) : queue(std::min(run.capacity, most)), wait(run.wait) {}

    struct sender {
        kind &queue;
        enum peer_wait wait;

        explicit sender(nodes &of) : queue(of.queue), wait(of.wait) {}
        void push(const T &value)
        {
            while (!queue.bounded_push(value))
                peer_pause(wait);
        }
    };

    struct receiver {
        kind &queue;
        enum peer_wait wait;

        explicit receiver(nodes &of) : queue(of.queue), wait(of.wait) {}
        void pop(T &to)
        {
            while (!queue.pop(to))
                peer_pause(wait);
        }
    };
};

template <class T> struct ring {
    static constexpr bool batches = true;
    static constexpr bool in_place = true;
    using kind = boost::lockfree::spsc_queue<T>;

    kind queue;
    enum peer_wait wait;

    explicit ring(const peer_run &run) : queue(run.capacity), wait(run.wait) {}

    struct sender {
        kind &queue;
        enum peer_wait wait;

        explicit sender(ring &of) : queue(of.queue), wait(of.wait) {}
        void push(const T &value)
        {
            while (!queue.push(value))
                peer_pause(wait);
        }
        void push_n(const T *from, uint32_t n)
        {
            const T *const end = from + n;

            while ((from = queue.push(from, end)) != end)
                peer_pause(wait);
        }
    };

    struct receiver {
        kind &queue;
        enum peer_wait wait;

        explicit receiver(ring &of) : queue(of.queue), wait(of.wait) {}
        T &front()
        {
            while (queue.read_available() == 0)
                peer_pause(wait);
            return queue.front();
        }
        void drop() { queue.pop(); }
        uint32_t pop_n(T *to, uint32_t most)
        {
            size_t n;

            while ((n = queue.pop(to, most)) == 0)
                peer_pause(wait);
            return static_cast<uint32_t>(n);
        }
    };
};

} // namespace

const struct peer peer_all[] = {
    VALUES_PEER("boost-queue", nodes, PEER_MPMC | PEER_BUSIES | PEER_YIELDS | PEER_ORDERED),
    VALUES_PEER("boost-spsc", ring, PEER_SPSC | PEER_BUSIES | PEER_YIELDS | PEER_ORDERED),
};
const size_t peer_all_count = sizeof(peer_all) / sizeof(peer_all[0]);
const char *const peer_family = "boost";
const char *const peer_package = "libboost-dev";

const char *peer_version(void)
{
    return BOOST_LIB_VERSION;
}
