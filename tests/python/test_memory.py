"""Two players finish a game of `memory` while other clients watch, arrive late, disconnect and return."""

import asyncio
import secrets

from peer import Peer, main, rule


class Memory:
    """The cards that all players together have seen. They play well, so that the game ends."""

    def __init__(self):
        self.faces = {}

    def look(self, view):
        for card, face in enumerate(view["cards"]):
            if face is not None:
                rule(self.faces.setdefault(card, face) == face, "a card keeps its face", card, face)

    def choose(self, view):
        hidden = [card for card, face in enumerate(view["cards"]) if face is None]
        unseen = [card for card in hidden if card not in self.faces]
        if view["open"]:
            wanted = self.faces[view["open"][0]]
            return next((card for card in hidden if self.faces.get(card) == wanted), (unseen or hidden)[0])
        seen = [self.faces.get(card) for card in hidden]
        pairs = [card for card in hidden if card in self.faces and seen.count(self.faces[card]) == 2]
        return (pairs or unseen or hidden)[0]


def ready(room):
    """Whether a card may be flipped. After some updates a turn or the end is still to come."""
    view = room.view
    return room.last not in ("hidden", "matched", "resumed") and (
        view["phase"] == "over" or (view["phase"] == "playing" and len(view["open"]) < 2)
    )


def same(peers, name):
    views = [peer.rooms[name].view for peer in peers]
    for peer, view in zip(peers, views):
        rule(view == views[0], f"{peer.user} sees the same as {peers[0].user}", view, views[0])
    return views[0]


async def agree(peers, name):
    """Waits until all peers have the same version, then compares their views."""
    for peer in peers:
        await peer.until(lambda: peer.rooms[name].version == peers[0].rooms[name].version, "the same version")
    return same(peers, name)


async def play(players, watchers, name, until):
    """Plays until a condition on the view holds."""
    room = players[0].rooms[name]
    seen = Memory()
    by_name = {player.user: player for player in players}
    moves = 0
    while not until(room.view):
        seen.look(room.view)
        player = by_name[room.view["turn"]]
        mine = player.rooms[name]
        # Waits until the player knows of the own turn, because other clients may get the update earlier.
        await player.until(lambda: ready(mine) and mine.view["turn"] in (player.user, None), "the own turn")
        if mine.view["phase"] == "over":
            break
        before = mine.version
        code = await player.input(name, {"op": "flip", "card": seen.choose(mine.view)})
        rule(code is None, "a right move is not rejected", code)
        await player.until(lambda: mine.version > before, "the update of a flip")
        for peer in [*players, *watchers]:
            await peer.until(lambda: peer.rooms[name].version >= mine.version, "the flip")
        moves += 1
        rule(moves < 400, "the game ends")
        if mine.view["open"]:
            seen.look(mine.view)
        await players[0].until(lambda: ready(room), "the next move")


async def game():
    name = f"memory-{secrets.token_hex(6)}"
    alice, bob, carol = [await (await Peer.connect(user)).welcomed() for user in ("alice", "bob", "carol")]

    # A spectator may wait for a room that does not exist yet.
    await carol.join(name, role="spectator")
    rule("instance" not in carol.rooms[name].joined, "a room that does not exist has no instance")
    rule(carol.rooms[name].joined["role"] == "spectator", "a spectator is told so")

    params = {"rows": 4, "cols": 4, "players": 2, "hide_ms": 200}
    await alice.join(name, params=params, client="page-a", attempt=1, later={"unknown": "fields are ignored"})
    joined = alice.rooms[name].joined
    rule(joined["role"] == "player" and joined["last_seq"] == 0, "a new player starts at 0", joined)
    rule(isinstance(joined["instance"], str), "a room has an instance", joined)
    await alice.until(lambda: alice.rooms[name].view, "a snapshot")
    view = alice.rooms[name].view
    rule(view["phase"] == "waiting" and view["cards"] == [None] * 16, "nothing shows before the start", view)
    rule(await alice.input(name, {"op": "flip", "card": 0}) == "not_started", "no move before the start")

    await bob.join(name, client="page-b", attempt=1)
    for peer in (alice, bob, carol):
        await peer.until(lambda: peer.rooms[name].view and peer.rooms[name].view["phase"] == "playing", "the start")
    view = await agree([alice, bob, carol], name)
    rule(view["players"] == ["alice", "bob"] and view["turn"] == "alice", "players take turns in the order of joining", view)
    await carol.until(lambda: presence(carol, name) == ({"alice": "connected", "bob": "connected"}, 1), "the presence")

    eve = await (await Peer.connect("eve")).welcomed()
    answer = await eve.answer({"type": "join", "room": name})
    rule(answer["type"] == "error" and answer["code"] == "room_full", "a third player gets room_full", answer)
    await eve.close()

    await wrong_moves(alice, bob, name)
    await play([alice, bob], [carol], name, lambda view: sum(view["scores"].values()) >= 2)
    bob = await drop_and_return(alice, bob, name)
    await play([alice, bob], [carol], name, lambda view: sum(view["scores"].values()) >= 5)

    dave = await (await Peer.connect("dave")).welcomed()
    await dave.join(name, role="spectator")
    await dave.until(lambda: dave.rooms[name].view, "a snapshot")
    await agree([alice, bob, carol, dave], name)
    await play([alice, bob], [carol, dave], name, lambda view: view["phase"] == "over")

    view = await agree([alice, bob, carol, dave], name)
    scores = view["scores"]
    rule(sum(scores.values()) == 8 and None not in view["cards"], "all pairs are found", view)
    best = max(scores.values())
    rule(view["winners"] == [player for player in ("alice", "bob") if scores[player] == best], "the players with the best score win", view)
    rule(view["turn"] is None and view["deadline_ms"] is None and view["open"] == [], "no player has the turn", view)
    late = await (await Peer.connect("late")).welcomed()
    await late.join(name, role="spectator")
    await late.until(lambda: late.rooms[name].view, "a snapshot")
    rule(await agree([alice, late], name) == view, "a spectator who joins after the end sees the end")
    rule(late.rooms[name].snapshots == 1, "a late spectator gets one snapshot and the updates after it")

    left = await alice.answer({"type": "leave", "room": name})
    rule(left["type"] == "left" and left["room"] == name, "a leave is answered", left)
    for peer in (alice, bob, carol, dave, late):
        await peer.alive()
        await peer.close()


async def wrong_moves(alice, bob, name):
    """Rejected inputs and errors change nothing, and the seqs continue."""
    room = alice.rooms[name]
    before = room.view
    rule(await bob.input(name, {"op": "flip", "card": 0}) == "not_your_turn", "it is alice's turn")
    rule(await alice.input(name, {"op": "flip", "card": 16}) == "bad_card", "there are 16 cards")
    rule(await alice.input(name, {"op": "fly"}) == "bad_input", "the game does not know this move")
    for seq in (0, room.sent + 2):
        error = await alice.answer({"type": "input", "room": name, "seq": seq, "data": {"op": "flip", "card": 1}})
        rule((error["type"], error["code"]) == ("error", "bad_seq"), f"seq {seq} after {room.sent}", error)
    # A repeated input is answered again.
    count = len(alice.messages)
    await alice.send(type="input", room=name, seq=room.sent, data={"op": "fly"})
    await alice.message(lambda m: m["type"] == "ack", count)
    rule(room.view == before, "nothing has changed", room.view, before)


async def drop_and_return(alice, bob, name):
    """Bob loses his connection. After his return he gets exactly the updates that he missed."""
    room = bob.rooms[name]
    await agree([alice, bob], name)
    await bob.drop()
    await alice.until(lambda: presence(alice, name)[0].get("bob") not in (None, "connected"), "alice sees that bob is gone")
    if alice.rooms[name].view["turn"] == "alice" and not alice.rooms[name].view["open"]:
        hidden = alice.rooms[name].view["cards"].index(None)
        await alice.input(name, {"op": "flip", "card": hidden})
    missed = alice.rooms[name].version - room.version
    snapshots, updates = room.snapshots, room.updates

    bob = await (await Peer.connect("bob")).welcomed()
    await bob.join(name, room, since=room.version, epoch=room.epoch, client="page-b", attempt=2)
    rule(room.joined["last_seq"] == room.sent, "the seqs of inputs continue", room.joined)
    await agree([alice, bob], name)
    rule(room.snapshots == snapshots, "a client that resumes gets no snapshot")
    rule(room.updates - updates >= missed, "a client that resumes gets the missed updates")
    await alice.until(lambda: presence(alice, name)[0].get("bob") == "connected", "alice sees that bob is back")
    return bob


def presence(peer, name):
    presence = peer.rooms[name].presence
    if presence is None:
        return {}, 0
    return {player["id"]: player["state"] for player in presence["players"]}, presence["viewers"]


async def relay():
    """Many inputs at once, live messages, and a second connection that replaces the first."""
    name = f"relay-{secrets.token_hex(6)}"
    alice, bob, carol = [await (await Peer.connect(user)).welcomed() for user in ("alice", "bob", "carol")]
    await alice.join(name)
    await bob.join(name)
    await carol.join(name, role="spectator")
    peers = (alice, bob, carol)
    for peer in peers:
        await peer.until(lambda: peer.rooms[name].view is not None, "a snapshot")
    alice.rooms[name].sent = 50
    for seq in range(1, 51):
        await alice.send(type="input", room=name, seq=seq, data={"n": seq})
    await alice.until(lambda: alice.rooms[name].acked == 50, "all acks")
    expected = [{"from": "alice", "data": {"n": n}} for n in range(1, 51)]
    for peer in peers:
        last = await peer.message(lambda m: m["type"] == "update" and m["data"] == expected[-1])
        got = [m["data"] for m in peer.messages if m["type"] == "update"]
        rule(last and got == expected, f"{peer.user} gets every input once and in order", len(got))

    await bob.send(type="live", room=name, data={"cursor": [1, 2]})
    for peer in (alice, carol):
        live = await peer.message(lambda m: m["type"] == "live")
        rule(live["data"] == {"cursor": [1, 2]}, "live data arrives unchanged", live)

    second = await (await Peer.connect("alice")).welcomed()
    await second.join(name)
    rule(second.rooms[name].joined["last_seq"] == 50, "inputs are numbered per player", second.rooms[name].joined)
    rule(await alice.closed() == 4009, "the first connection is closed with 4009", alice.socket.close_code)
    rule(alice.rooms[name].left["code"] == "replaced", "and gets the reason first", alice.rooms[name].left)
    rule(await second.input(name, {"n": 51}) is None, "the second connection continues")
    for peer in (second, bob, carol):
        await peer.close()


def test_game():
    asyncio.run(game())


def test_relay():
    asyncio.run(relay())


if __name__ == "__main__":
    main([test_game, test_relay])
