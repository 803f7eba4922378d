/* SPDX-License-Identifier: MIT */
/* tbb::concurrent_bounded_queue. */
#include <benches/peers/values.h>
#include <tbb/concurrent_queue.h>
#include <tbb/version.h>

namespace
{

template <class T> struct bounded {
    static constexpr bool batches = false;
    static constexpr bool in_place = false;
    using kind = tbb::concurrent_bounded_queue<T>;

    kind queue;
    enum peer_wait wait;

    explicit bounded(const peer_run &run) : wait(run.wait)
    {
        queue.set_capacity(static_cast<typename kind::size_type>(run.capacity));
    }

    struct sender {
        kind &queue;
        enum peer_wait wait;

        explicit sender(bounded &of) : queue(of.queue), wait(of.wait) {}
        void push(const T &value)
        {
            if (wait == PEER_BLOCK)
                queue.push(value);
            else
                while (!queue.try_push(value))
                    peer_pause(wait);
        }
    };

    struct receiver {
        kind &queue;
        enum peer_wait wait;

        explicit receiver(bounded &of) : queue(of.queue), wait(of.wait) {}
        void pop(T &to)
        {
            if (wait == PEER_BLOCK)
                queue.pop(to);
            else
                while (!queue.try_pop(to))
                    peer_pause(wait);
        }
    };
};

} // namespace

const struct peer peer_all[] = {
    VALUES_PEER("tbb", bounded, PEER_MPMC | PEER_BUSIES | PEER_YIELDS | PEER_BLOCKS | PEER_ORDERED),
};
const size_t peer_all_count = sizeof(peer_all) / sizeof(peer_all[0]);
const char *const peer_family = "tbb";
const char *const peer_package = "libtbb-dev";

const char *peer_version(void)
{
    return TBB_runtime_version();
}
