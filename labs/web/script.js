fetch("/counter").then(answer => answer.text()).then(text => {
    document.getElementById("script").textContent = "The script has asked: " + text;
});
