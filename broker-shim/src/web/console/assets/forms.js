// Changes, where the broker lets this console make them: topics, partitions, a message.

import { h, post, dialog, toast, topicLink } from './ui.js';

/** A form in a dialog; `send` gives a sentence for when it is done. */
function ask(title, action, danger, fields, send) {
  const wrong = h('p', { class: 'wrong', role: 'alert' });
  const button = h('button', { class: danger ? 'danger' : 'primary' }, action);
  const submit = async (event) => {
    event.preventDefault();
    button.disabled = true;
    wrong.textContent = '';
    try {
      toast(await send(new FormData(form)));
      box.close();
    } catch (error) {
      wrong.textContent = error.message;
    }
    button.disabled = false;
  };
  const form = h('form', { class: 'form', onsubmit: submit }, fields, wrong, h('div', { class: 'tools' }, button,
    h('button', { type: 'button', onclick: () => box.close() }, 'Cancel')));
  const box = dialog(title, 'small', form);
  form.querySelector('input, textarea')?.focus();
}

const field = (name, text, input, hint) => {
  input.id = `f-${name}`;
  input.name = name;
  return h('div', { class: 'field' }, h('label', { for: input.id }, text), input, hint && h('small', { class: 'dim' }, hint));
};

export function createTopic() {
  ask('Create a topic', 'Create', false, [
    field('name', 'Name', h('input', { required: true, maxlength: 249, pattern: '[a-zA-Z0-9._\\-]+', autocomplete: 'off', spellcheck: 'false' }), 'letters, digits, dots, dashes and underscores'),
    field('partitions', 'Partitions', h('input', { type: 'number', min: 1, max: 10000, value: 1 }), 'readers of one group share them; they can be added later, not taken away'),
    field('retention', 'Keep messages for', h('select', {}, [['', 'as the broker is set'], ['3600000', 'an hour'], ['86400000', 'a day'], ['604800000', '7 days'], ['-1', 'for ever']].map(([value, text]) => h('option', { value }, text)))),
  ], async (data) => {
    const configs = data.get('retention') ? { 'retention.ms': data.get('retention') } : {};
    const made = await post('/api/topics', { name: data.get('name').trim(), partitions: Number(data.get('partitions')), configs });
    location.hash = topicLink(made.name);
    return `Topic ${made.name} is there.`;
  });
}

export function addPartitions(topic) {
  ask('Add partitions', 'Add', false, [
    h('p', {}, `${topic.name} has ${topic.partition_count}. Messages with a key may go to another partition afterwards: the order of a key's messages holds within a partition only.`),
    field('count', 'Partitions in all', h('input', { type: 'number', min: topic.partition_count + 1, max: 10000, value: topic.partition_count + 1, required: true })),
  ], async (data) => {
    await post('/api/partitions', { topic: topic.name, count: Number(data.get('count')) });
    setTimeout(() => location.reload(), 600);
    return `${topic.name} has ${data.get('count')} partitions now.`;
  });
}

export function deleteTopic(topic) {
  ask('Delete the topic', 'Delete it and its messages', true, [
    h('p', {}, `All messages of ${topic.name} and the positions of its readers are gone then. There is no way back.`),
    field('confirm', `Write ${topic.name} to go on`, h('input', { required: true, autocomplete: 'off', spellcheck: 'false' })),
  ], async (data) => {
    await post('/api/topic/delete', { name: topic.name, confirm: data.get('confirm').trim() });
    location.hash = '#/topics';
    return `${topic.name} is deleted.`;
  });
}

export function sendMessage(topic) {
  ask(`Send to ${topic.name}`, 'Send', false, [
    field('key', 'Key', h('input', { autocomplete: 'off', spellcheck: 'false' }), 'messages of one key go to one partition, in their order; nothing: each partition in turn'),
    field('value', 'Value', h('textarea', { rows: 6, spellcheck: 'false' })),
    field('headers', 'Headers', h('textarea', { rows: 2, spellcheck: 'false', placeholder: 'name: value' }), 'one a line'),
    field('partition', 'Partition', h('input', { type: 'number', min: 0, max: topic.partition_count - 1, placeholder: 'by the key' })),
  ], async (data) => {
    const lines = data.get('headers').split('\n').filter((line) => line.trim());
    const headers = lines.map((line) => {
      const at = line.indexOf(':');
      return at < 0 ? [line.trim(), null] : [line.slice(0, at).trim(), line.slice(at + 1).trim()];
    });
    const form = { topic: topic.name, key: data.get('key') || null, value: data.get('value'), headers };
    if (data.get('partition') !== '') form.partition = Number(data.get('partition'));
    const sent = await post('/api/messages', form);
    const link = topicLink(topic.name, 'messages', { partition: sent.partition, offset: sent.offset });
    location.hash = link;
    return `It is in partition ${sent.partition} at offset ${sent.offset}.`;
  });
}
