/* SPDX-License-Identifier: MIT */
/* atomic_queue: rings whose cells have a state each; pointers are their own state. */
#include <atomic_queue/atomic_queue.h>
#include <benches/peers/values.h>
#include <new>
#include <optional>

namespace
{

constexpr bool fast = true, total_order = false;

/* Queues that take their capacity when they are made; of values they hold at least 4096. */
template <class T, bool Single> struct sized_for {
    using type = atomic_queue::AtomicQueueB2<T, std::allocator<T>, fast, total_order, Single>;
};
template <class T, bool Single> struct sized_for<T *, Single> {
    using type =
        atomic_queue::AtomicQueueB<T *, std::allocator<T *>, nullptr, fast, total_order, Single>;
};
template <class T, bool Single> using sized = typename sized_for<T, Single>::type;

/* Of large messages 4096 cells would be four times what the other queues hold. */
template <class T, bool Single> class large
{
    static constexpr unsigned few = 1024;
    using exact = atomic_queue::AtomicQueue2<T, few, true, fast, total_order, Single>;
    std::unique_ptr<exact> small;
    std::optional<sized<T, Single>> other;

  public:
    explicit large(unsigned capacity)
    {
        if (capacity == few)
            small.reset(new exact);
        else
            other.emplace(capacity);
    }
    bool try_push(const T &value)
    {
        return small ? small->try_push(value) : other->try_push(value);
    }
    bool try_pop(T &to) { return small ? small->try_pop(to) : other->try_pop(to); }
    void push(const T &value) { small ? small->push(value) : other->push(value); }
    T pop() { return small ? small->pop() : other->pop(); }
};

template <class T, bool Single>
using ring = std::conditional_t<sizeof(T) == 4096, large<T, Single>, sized<T, Single>>;

/* Waits outside of the queue, or, if Optimist, claims a cell and waits for it inside. */
template <class T, bool Single, bool Optimist> struct cells {
    static constexpr bool batches = false;
    static constexpr bool in_place = false;

    ring<T, Single> queue;
    enum peer_wait wait;

    explicit cells(const peer_run &run) : queue(run.capacity), wait(run.wait) {}

    struct sender {
        ring<T, Single> &queue;
        enum peer_wait wait;

        explicit sender(cells &of) : queue(of.queue), wait(of.wait) {}
        void push(const T &value)
        {
            if constexpr (Optimist)
                queue.push(value);
            else
                while (!queue.try_push(value))
                    peer_pause(wait);
        }
    };

    struct receiver {
        ring<T, Single> &queue;
        enum peer_wait wait;

        explicit receiver(cells &of) : queue(of.queue), wait(of.wait) {}
        void pop(T &to)
        {
            if constexpr (Optimist)
                new (&to) T(queue.pop()); /* not through a copy */
            else
                while (!queue.try_pop(to))
                    peer_pause(wait);
        }
    };
};

template <class T> using many = cells<T, false, false>;
template <class T> using optimist = cells<T, false, true>;
template <class T> using single = cells<T, true, false>;

} // namespace

/*
 * Only the single one is ordered: a cell knows whether it is filled, not which lap of the ring it
 * was filled in. While a thread that has claimed a cell does not run, another one a lap later may
 * fill or empty that cell before it.
 */
const struct peer peer_all[] = {
    VALUES_PEER("atomic_queue", many, PEER_MPMC | PEER_BUSIES | PEER_YIELDS),
    VALUES_PEER("atomic_queue-optimist", optimist, PEER_MPMC | PEER_BUSIES),
    VALUES_PEER("atomic_queue-spsc", single, PEER_SPSC | PEER_BUSIES | PEER_YIELDS | PEER_ORDERED),
};
const size_t peer_all_count = sizeof(peer_all) / sizeof(peer_all[0]);
const char *const peer_family = "atomic_queue";
const char *const peer_package = "libatomic-queue-dev";

const char *peer_version(void)
{
    return PEER_VERSION;
}
