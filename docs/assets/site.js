// A table or a block of code that scrolls can be scrolled by keyboard, too.
const scrolled = () => {
  for (const frame of document.querySelectorAll(".md-typeset__scrollwrap, pre > code")) frame.tabIndex = 0;
};
new MutationObserver(scrolled).observe(document.documentElement, { childList: true, subtree: true });
