// SPDX-License-Identifier: MIT
// What a C++17 program of a user does: one message through a channel in memory.
#include <cstdio>
#include <memory>
#include <quire.h>
#include <string_view>

namespace
{

constexpr std::string_view text = "from C++";

struct closer {
    void operator()(quire_t *channel) const { quire_close(channel); }
    void operator()(quire_tx_t *tx) const { quire_tx_close(tx); }
    void operator()(quire_rx_t *rx) const { quire_rx_close(rx); }
};
template <class T> using owned = std::unique_ptr<T, closer>;

bool transfer(quire_t *channel)
{
    quire_tx_t *tx = nullptr;
    quire_rx_t *rx = nullptr;
    if (quire_tx_open(channel, nullptr, &tx) != 0)
        return false;
    const owned<quire_tx_t> tx_owned{tx};
    if (quire_rx_subscribe(channel, "all", nullptr, nullptr, &rx) != 0)
        return false;
    const owned<quire_rx_t> rx_owned{rx};

    quire_msg msg{};
    if (quire_tx_send(tx, text.data(), text.size()) != 0 || quire_rx_recv(rx, &msg) != 0)
        return false;
    return std::string_view{static_cast<const char *>(msg.data), msg.size} == text;
}

} // namespace

int main()
{
    quire_options options = QUIRE_OPTIONS_INIT;
    options.page_size = QUIRE_PAGE_SIZE_MIN;
    quire_t *channel = nullptr;
    if (const int error = quire_open(&channel, nullptr, &options); error != QUIRE_OK) {
        std::fprintf(stderr, "quire_open: %s\n", quire_strerror(error));
        return 1;
    }
    const owned<quire_t> channel_owned{channel};
    const bool ok = transfer(channel) && QUIRE_PAGE_OF(QUIRE_POSITION(3, 4)) == 3;
    std::puts(ok ? "ok" : "failed");
    return ok ? 0 : 1;
}
