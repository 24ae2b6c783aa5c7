// SPDX-License-Identifier: Apache-2.0

import { find } from "./element.js";

// question asks before something is done, does it, and says what went wrong. It is true when it was done.
export function question({ title, text, yes, danger, reason, act }) {
  const dialog = find("question");
  const input = find("question-reason").querySelector("input");
  find("question-title").textContent = title;
  find("question-text").textContent = text;
  find("question-reason").hidden = !reason;
  find("question-fault").textContent = "";
  const button = find("question-yes");
  button.textContent = yes;
  button.classList.toggle("danger", danger);
  input.value = "";
  return new Promise((resolve) => {
    const end = (done) => {
      dialog.close();
      resolve(done);
    };
    find("question-no").onclick = () => end(false);
    dialog.oncancel = () => resolve(false);
    input.onkeydown = (e) => {
      if (e.key === "Enter") button.click();
    };
    button.onclick = async () => {
      button.disabled = true;
      try {
        await act(input.value.trim());
        end(true);
      } catch (fault) {
        find("question-fault").textContent = fault.message;
      }
      button.disabled = false;
    };
    dialog.showModal();
    (reason ? input : button).focus();
  });
}
