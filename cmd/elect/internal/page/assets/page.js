// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

// The page: it follows /events, and shows what it is told. All that comes from etcd
// is set as text, never as markup.
'use strict';

const $ = (id) => document.getElementById(id);

// What the server told.
let hello = null;
let contact = null;           // {ok, why, absences}
const elections = new Map();  // by id: {data, view}
const leases = new Map();     // by lease: [end, TTL], in ms by the server's clock
let offset = 0;               // the server's clock minus ours

// The link to the server.
let linked = false;
let cutSince = Date.now();
let heard = 0;

const now = () => Date.now() + offset;

// --- words ---

const clock = (ms) => new Date(ms - offset).toLocaleTimeString([], {hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23'});
const shortClock = (ms) => clock(ms).slice(0, 5);

function span(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  const two = (n) => String(n).padStart(2, '0');
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${two(s % 60)} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${two(Math.floor(s / 60) % 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor(s / 3600) % 24} h`;
}

// A candidate without a value, as a lock has them, goes by its lease.
const who = (c) => (c.value === '""' ? `lease ${c.lease}` : c.value);

function hue(text) {
  let h = 0;
  for (const c of text) h = (h * 31 + c.codePointAt(0)) >>> 0;
  return h % 6;
}

function set(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

// --- the link ---

function connect() {
  const source = new EventSource('events');
  heard = Date.now();
  const again = () => {
    clearInterval(watchdog);
    source.close();
    if (linked) cutSince = Date.now();
    linked = false;
    showContact();
    setTimeout(connect, 700 + Math.random() * 600);
  };
  // A dead connection may stay open for long; the server says something every 5 s.
  const watchdog = setInterval(() => { if (Date.now() - heard > 16000) again(); }, 1000);
  source.addEventListener('hello', (event) => {
    const next = JSON.parse(event.data);
    if (hello && hello.epoch !== next.epoch) forget();
    hello = next;
  });
  source.addEventListener('frame', (event) => {
    heard = Date.now();
    linked = true;
    take(JSON.parse(event.data));
  });
  source.onerror = again;
}

// forget drops what another server told.
function forget() {
  for (const id of [...elections.keys()]) drop(id);
  leases.clear();
  contact = null;
}

function drop(id) {
  const {node} = elections.get(id).view;
  sight.unobserve(node);
  node.remove();
  elections.delete(id);
}

function take(frame) {
  offset = frame.now - Date.now();
  if (frame.contact) contact = frame.contact;
  const changed = frame.elections || [];
  if (frame.all) {
    const ids = new Set(changed.map((e) => e.id));
    for (const id of [...elections.keys()]) {
      if (!ids.has(id)) drop(id);
    }
    leases.clear();
  }
  for (const [id, lease] of Object.entries(frame.leases || {})) leases.set(id, lease);
  for (const data of changed) {
    const known = elections.get(data.id);
    if (known) {
      announce(known.data, data, known.view);
      known.data = data;
    } else {
      elections.set(data.id, {data, view: createView(data)});
    }
    render(elections.get(data.id));
  }
  if (changed.length > 0 || frame.all || frame.contact) place();
  showContact();
  tick();
}

function announce(before, after, view) {
  const old = before.queue[0], leader = after.queue[0];
  if ((old && old.rev) === (leader && leader.rev)) return;
  set($('news'), leader ? `${who(leader)} leads ${after.name}` : `nobody leads ${after.name}`);
  view.node.classList.remove('news');
  void view.node.offsetWidth; // so that the animation begins anew
  view.node.classList.add('news');
}

function showContact() {
  const node = $('contact'), trouble = $('trouble');
  let state = 'live', text = 'live', words = '';
  if (!linked) {
    state = hello ? 'cut' : 'connecting';
    text = hello ? 'disconnected' : 'connecting';
    if (hello) words = `No connection to the server of this page since ${clock(cutSince + offset)}. What is shown is from before. Trying again.`;
  } else if (!contact || !contact.ok) {
    const absence = contact && contact.absences[contact.absences.length - 1];
    state = absence ? 'away' : 'connecting';
    text = absence ? 'etcd is away' : 'connecting to etcd';
    if (absence) words = `etcd is away since ${clock(absence[0])}: ${contact.why}. What is shown is from before.`;
  }
  node.dataset.state = state;
  set(node, text);
  set(trouble, words);
  trouble.hidden = !words;
  document.body.classList.toggle('stale', state !== 'live');
  document.title = state === 'live' || state === 'connecting' ? 'Elections' : `(${text}) Elections`;
}

// --- elections ---

function createView(data) {
  const node = $('election-template').content.firstElementChild.cloneNode(true);
  const find = (selector) => node.querySelector(selector);
  const view = {
    node, name: find('.name'), leader: find('.leader'), since: find('.since'), lane: find('.lane'), axis: find('.axis'),
    history: find('.history'), queue: find('.queue tbody'), caption: find('caption'), table: find('.queue table'), more: find('.more'),
    rows: new Map(), blocks: new Map(), shown: false,
  };
  node.dataset.id = data.id;
  view.history.addEventListener('toggle', () => {
    const e = elections.get(data.id);
    if (e) renderHistory(e);
  });
  sight.observe(node);
  return view;
}

// Only what can be seen is kept up to date by the second.
const sight = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    const e = elections.get(entry.target.dataset.id);
    if (!e || e.view.node !== entry.target) continue; // dropped in the meantime
    e.view.shown = entry.isIntersecting;
    if (e.view.shown) tickElection(e);
  }
}, {rootMargin: '200px'});

function render(e) {
  const {data, view} = e;
  const leader = data.queue[0];
  set(view.name, data.name);
  set(view.leader, leader ? who(leader) : 'nobody leads');
  view.node.classList.toggle('vacant', !leader);
  set(view.caption, `Who is in ${data.name}, in the order of succession`);
  view.table.hidden = !leader;

  const rows = new Map();
  data.queue.forEach((c, i) => {
    const key = `${c.id} ${c.rev}`;
    const row = view.rows.get(key) || createRow(e, c);
    rows.set(key, row);
    set(row.place, String(i + 1));
    set(row.value, who(c));
    set(row.detail, i === 0 ? `leads, revision ${c.rev}` : `revision ${c.rev}`);
    row.detail.title = `lease ${c.lease}`;
    row.node.classList.toggle('first', i === 0);
    row.candidate = c;
    renderAction(e, row);
    if (view.queue.children[i] !== row.node) view.queue.insertBefore(row.node, view.queue.children[i] || null);
  });
  for (const [key, row] of view.rows) if (!rows.has(key)) row.node.remove();
  view.rows = rows;

  const more = data.count - data.queue.length;
  view.more.hidden = more <= 0;
  set(view.more, `and ${more} more`);
  renderHistory(e);
  tickElection(e);
}

function createRow(e, candidate) {
  const node = $('candidate-template').content.firstElementChild.cloneNode(true);
  const find = (selector) => node.querySelector(selector);
  return {
    node, candidate, place: find('.place'), value: find('.value'), detail: find('.detail'),
    left: find('.left'), text: find('.left .text'), bar: find('.bar span'), action: find('td.action'),
  };
}

function renderAction(e, row) {
  const allowed = Boolean(hello && hello.token);
  let button = row.action.querySelector('button');
  if (!allowed) {
    if (button) button.remove();
    return;
  }
  if (!button) {
    button = element('button', 'danger', 'Evict');
    button.type = 'button';
    button.addEventListener('click', () => ask(e, row.candidate));
    row.action.append(button);
  }
  button.setAttribute('aria-label', `Evict ${who(row.candidate)} from ${e.data.name}`);
}

function renderHistory(e) {
  const {data, view} = e;
  const total = data.reigns.length + (data.older || 0);
  set(view.history.querySelector('summary'), total === 1 ? '1 leader seen' : `${total} leaders seen`);
  view.history.hidden = data.reigns.length === 0;
  if (!view.history.open) return;
  const body = view.history.querySelector('tbody');
  body.replaceChildren();
  for (const r of [...data.reigns].reverse()) {
    const row = element('tr');
    row.append(
      element('td', 'who', who(r)),
      element('td', '', r.seen ? clock(r.begin) : `before ${clock(r.begin)}`),
      element('td', '', r.end ? clock(r.end) : 'now'),
      element('td', 'number', r.end ? span(r.end - r.begin) : ''));
    body.append(row);
  }
  if (data.older) {
    const row = element('tr'), cell = element('td', '', `${data.older} before that are forgotten`);
    cell.colSpan = 4;
    row.append(cell);
    body.append(row);
  }
}

// place puts the elections in the order of their names, and hides those that the
// filter does not want.
function place() {
  const wanted = $('filter').value.toLowerCase();
  const sorted = [...elections.values()].sort((a, b) => (a.data.name < b.data.name ? -1 : a.data.name > b.data.name ? 1 : 0));
  const main = $('elections');
  let at = 0, there = 0, seen = 0;
  for (const e of sorted) {
    if (main.children[at] !== e.view.node) main.insertBefore(e.view.node, main.children[at] || null);
    at++;
    const matches = [e.data.name, ...e.data.queue.map(who)].some((text) => text.toLowerCase().includes(wanted));
    e.view.node.hidden = !matches;
    if (matches) seen++;
    if (e.data.count > 0) there++;
  }
  set($('count'), there === 1 ? '1 election' : `${there} elections`);
  const empty = $('empty');
  empty.hidden = seen > 0 || !contact || !contact.ok;
  set(empty, sorted.length > 0 ? 'No election matches the filter.' : hello && hello.prefix ? `There are no elections whose names begin with ${hello.prefix}.` : 'There are no elections.');
}

// --- time ---

function tick() {
  for (const e of elections.values()) if (e.view.shown) tickElection(e);
  if (hello) {
    const prefix = hello.prefix && `under ${hello.prefix}`;
    set($('prefix'), prefix);
    $('prefix').hidden = !prefix;
    set($('begun'), `This server of the page has watched since ${clock(hello.begun)}, for ${span(now() - hello.begun)}.`);
  }
}

function tickElection(e) {
  const {data, view} = e;
  const last = data.reigns[data.reigns.length - 1];
  if (!last) {
    set(view.since, '');
  } else if (last.end) {
    set(view.since, `since ${clock(last.end)}, for ${span(now() - last.end)}`);
  } else if (last.seen) {
    set(view.since, `leads since ${clock(last.begin)}, for ${span(now() - last.begin)}`);
  } else {
    set(view.since, `leads since before ${clock(last.begin)}`);
  }
  for (const row of view.rows.values()) tickLease(row);
  drawLane(e);
}

function tickLease(row) {
  const lease = leases.get(row.candidate.lease);
  if (!lease || document.body.classList.contains('stale')) {
    set(row.text, lease ? '?' : '');
    row.bar.style.width = '0';
    row.left.classList.remove('low');
    return;
  }
  const [end, ttl] = lease;
  const left = Math.max(0, Math.ceil((end - now()) / 1000));
  set(row.text, ttl <= 0 ? 'over' : `${left} of ${Math.round(ttl / 1000)} s`);
  row.bar.style.width = `${Math.max(0, Math.min(100, 100 * (end - now()) / ttl))}%`;
  row.left.classList.toggle('low', ttl > 0 && (end - now()) < ttl / 4);
}

const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800];

// drawLane draws who led when, from left to right, up to now.
function drawLane({data, view}) {
  const end = now(), chosen = Number($('window').value) * 1000;
  const begun = hello ? hello.begun : end;
  const begin = Math.min(end - 1000, chosen ? Math.max(begun, end - chosen) : begun);
  const at = (ms) => 100 * (Math.min(Math.max(ms, begin), end) - begin) / (end - begin);
  const width = view.lane.clientWidth;
  const blocks = new Map();
  const words = [];

  const put = (key, className, from, to, text) => {
    const left = at(from), right = at(to);
    if (to <= begin) return null;
    let block = view.blocks.get(key);
    if (!block) {
      block = element('div', className);
      view.lane.append(block);
    }
    blocks.set(key, block);
    block.style.left = `${left}%`;
    block.style.width = `${right - left}%`;
    set(block, text);
    return block;
  };
  for (const r of data.reigns) {
    const from = r.seen ? r.begin : begun;
    const block = put(`r${r.rev} ${r.begin}`, 'reign', from, r.end || end, who(r));
    if (!block) continue;
    block.dataset.hue = hue(who(r));
    block.classList.toggle('narrow', width * (at(r.end || end) - at(from)) / 100 < 22);
    block.classList.toggle('cut', !r.seen || from < begin);
    block.title = `${who(r)}, ${r.seen ? 'from' : 'from before'} ${clock(r.begin)}${r.end ? ` to ${clock(r.end)}, ${span(r.end - r.begin)}` : ' on'}`;
    words.push(`${who(r)} from ${!r.seen || from < begin ? `before ${clock(Math.max(r.begin, begin))}` : clock(from)} to ${r.end ? clock(r.end) : 'now'}`);
  }
  for (const [from, to] of contact ? contact.absences : []) {
    const block = put(`a${from}`, 'absence', from, to || end, '');
    if (!block) continue;
    block.title = `etcd was away from ${clock(from)}${to ? ` to ${clock(to)}` : ' on'}`;
    words.push(`etcd was away from ${clock(from)}`);
  }
  for (const [key, block] of view.blocks) if (!blocks.has(key)) block.remove();
  view.blocks = blocks;
  view.lane.setAttribute('aria-label', `Who led ${data.name}: ${words.slice(-6).join('; ') || 'nobody'}`);
  drawAxis(view, begin, end, width);
}

function drawAxis(view, begin, end, width) {
  const room = Math.max(1, Math.floor(width / 90));
  const step = 1000 * (steps.find((s) => (end - begin) / 1000 / s <= room) || steps[steps.length - 1]);
  const zone = new Date(begin - offset).getTimezoneOffset() * 60000;
  const label = step < 60000 ? clock : shortClock;
  const marks = [];
  for (let t = Math.ceil((begin - zone) / step) * step + zone; t < end; t += step) {
    const left = 100 * (t - begin) / (end - begin);
    if (width * (100 - left) / 100 > 60) marks.push([left, label(t)]);
  }
  while (view.axis.children.length > marks.length) view.axis.lastElementChild.remove();
  while (view.axis.children.length < marks.length) view.axis.append(element('span'));
  marks.forEach(([left, text], i) => {
    view.axis.children[i].style.left = `${left}%`;
    set(view.axis.children[i], text);
  });
}

// --- evictions ---

let asked = null; // the candidate that the dialog is about

function ask(e, candidate) {
  asked = candidate;
  const at = e.data.queue.findIndex((c) => c.id === candidate.id && c.rev === candidate.rev);
  const next = e.data.queue[1];
  set($('confirm-title'), at === 0 ? 'Take the lead away?' : 'Take it out of the queue?');
  set($('confirm-who'), `${who(candidate)} ${at === 0 ? 'leads' : `waits at place ${at + 1} in`} ${e.data.name}, since revision ${candidate.rev}.`);
  const then = at !== 0 ? 'The leader stays.' : next ? `Next is ${who(next)}.` : 'Nobody is next.';
  set($('confirm-then'), `${then} Only this candidacy is hit. The process may campaign again, at the end of the queue.`);
  $('confirm-error').hidden = true;
  $('confirm-yes').disabled = false;
  $('confirm').showModal();
}

async function evict() {
  const candidate = asked;
  $('confirm-yes').disabled = true;
  let trouble = '';
  try {
    const answer = await fetch('evict', {
      method: 'POST',
      headers: {'Content-Type': 'application/json', 'X-Elect-Token': hello.token},
      body: JSON.stringify({id: candidate.id, rev: candidate.rev}),
    });
    if (!answer.ok) trouble = (await answer.text()).trim();
  } catch {
    trouble = 'The server of this page gave no answer; look whether the candidate is gone.';
  }
  if (asked !== candidate) return;
  if (!trouble) {
    $('confirm').close();
    return;
  }
  set($('confirm-error'), trouble);
  $('confirm-error').hidden = false;
  $('confirm-yes').disabled = false;
}

$('confirm-yes').addEventListener('click', evict);
$('confirm-no').addEventListener('click', () => $('confirm').close());
$('confirm').addEventListener('close', () => { asked = null; });
$('controls').addEventListener('submit', (event) => event.preventDefault());
$('filter').addEventListener('input', place);
$('window').addEventListener('change', tick);
addEventListener('resize', tick);
setInterval(tick, 1000);
connect();
